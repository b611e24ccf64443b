//! What of the architecture a program can check.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The layers, by folder.
const LAYERS: &[&str] = &[
    "breaker",
    "buffer",
    "cache",
    "coalesce",
    "estimate",
    "limit/concurrency",
    "limit/rate",
    "load_shed",
    "metrics",
    "observe",
    "respond",
    "server_timing",
    "retry",
    "spend",
    "timeout",
    "trace",
];

/// A layer as code names it.
fn module(layer: &str) -> String {
    layer.replace('/', "::")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All Rust files below a folder.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

/// The code of a file: without comments, and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or(text);
    let lines = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

fn assert_absent(folder: &str, words: &[&str], except: &[&str]) {
    for (path, text) in sources(folder) {
        let shown = path.strip_prefix(root()).unwrap().display().to_string();
        if except.iter().any(|part| shown.contains(part)) {
            continue;
        }
        let code = code(&text);
        for word in words {
            assert!(!code.contains(word), "{shown} names {word:?}");
        }
    }
}

#[test]
fn the_top_level_holds_what_a_newcomer_expects_and_nothing_else() {
    let expected: BTreeSet<_> = [
        ".cargo",
        ".ci",
        ".clippy.toml",
        ".deny.toml",
        ".github",
        ".gitignore",
        ".rustfmt.toml",
        "CHANGELOG.md",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "examples",
        "layers",
        "src",
        "tests",
    ]
    .map(str::to_owned)
    .into();
    let found: BTreeSet<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".git" && name != "target")
        .collect();

    assert_eq!(found, expected);
}

#[test]
fn no_layer_imports_another() {
    for &layer in LAYERS {
        let others: Vec<_> = LAYERS
            .iter()
            .filter(|other| **other != layer)
            .map(|other| format!("crate::{}", module(other)))
            .collect();
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        assert_absent(&format!("layers/src/{layer}"), &others, &[]);
    }
}

#[test]
fn layers_know_no_framework_and_no_service() {
    let words = [
        "hyper::",
        "axum::",
        "tonic::",
        "reqwest::",
        "tower::",
        "ollinations",
        "chat/completions",
        "finish_reason\"",
        "\"usage\"",
    ];
    assert_absent("layers/src", &words, &[]);
    let manifest = read("layers/Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
    for crate_name in ["hyper", "axum", "tonic", "reqwest", "tower"] {
        assert!(
            !dependencies.contains(&format!("\n{crate_name} =")),
            "{crate_name}"
        );
    }
}

#[test]
fn there_are_no_statics_and_one_place_that_starts_tasks() {
    for folder in ["layers/src", "src"] {
        assert_absent(folder, &["thread_local!", "LazyLock"], &[]);
        for (path, text) in sources(folder) {
            let code = code(&text);
            let mut items = code.lines().map(|line| line.trim_start());
            let is_static = |item: &str| {
                let words: Vec<_> = item.split_whitespace().take(2).collect();
                words.first() == Some(&"static")
                    || (item.starts_with("pub") && words.get(1) == Some(&"static"))
            };
            assert!(!items.any(is_static), "{} has a static", path.display());
        }
    }
    assert_absent("layers/src", &["tokio::spawn", ".spawn("], &["task.rs"]);
    assert_absent(
        "src",
        &["tokio::spawn", "task::spawn("],
        &["sandbox", "client/stream.rs"],
    );
}

#[test]
fn hyper_is_named_by_transport_and_sandbox_only() {
    assert_absent(
        "src",
        &["hyper::", "hyper_util::"],
        &["src/transport", "src/sandbox"],
    );
}

#[test]
fn the_protocol_is_pure_data() {
    let words = [
        "crate::client",
        "crate::transport",
        "tower",
        "tokio",
        "hyper",
    ];
    assert_absent("src/protocol", &words, &[]);
}

#[test]
fn only_from_env_reads_the_environment() {
    assert_absent("layers/src", &["env::var"], &[]);
    assert_absent("src", &["env::var"], &["builder.rs", "transport/connect"]);
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    assert!(read("Cargo.toml").contains("unsafe_code = \"forbid\""));
    for manifest in ["Cargo.toml", "layers/Cargo.toml"] {
        assert!(
            read(manifest).contains("[lints]\nworkspace = true"),
            "{manifest}"
        );
    }
}

/// The features of a manifest that users may name.
fn features(manifest: &str) -> BTreeSet<String> {
    let text = read(manifest);
    let (_, after) = text.split_once("\n[features]\n").unwrap();
    let section = after.split("\n[").next().unwrap();
    let names = section
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned());
    names
        .filter(|name| name != "default" && !name.starts_with('_'))
        .collect()
}

/// The first cells of the rows of tables that are code.
fn first_cells(text: &str) -> BTreeSet<String> {
    let rows = text.lines().filter_map(|line| {
        let row = line.trim_start_matches("//! ");
        row.strip_prefix("| `")?.split_once('`')
    });
    rows.map(|(cell, _)| cell.to_owned()).collect()
}

#[test]
fn every_feature_stands_in_its_table() {
    let layers = first_cells(&read("layers/src/lib.rs"));
    assert_eq!(layers, features("layers/Cargo.toml"));

    let readme = first_cells(&read("README.md"));
    for feature in features("Cargo.toml") {
        assert!(
            readme.contains(&feature),
            "README.md has no row for the feature {feature}"
        );
    }
}

#[test]
fn every_layer_has_its_place() {
    let contract = read("layers/tests/it/contract.rs");
    let readme = read("README.md");
    for &layer in LAYERS {
        assert!(
            contract.contains(&format!("\n    {}", layer.replace('/', "_"))),
            "contract.rs has no {layer}"
        );
        assert!(
            readme.contains(&format!("| `{}", module(layer))),
            "README.md has no {layer}"
        );
        let docs = read(format!("layers/src/{layer}/mod.rs"));
        for section in [
            "Where it goes",
            "Readiness",
            "Streaming",
            "Cancellation",
            "Cost",
            "Example",
        ] {
            assert!(
                docs.contains(&format!("//! # {section}")),
                "{layer} has no section {section}"
            );
        }
    }
    // A folder that is not in the list would escape these tests.
    let leaves = ["backoff", "body", "flight", "sse", "test_util", "types"];
    for entry in fs::read_dir(root().join("layers/src")).unwrap() {
        let entry = entry.unwrap();
        if entry.path().is_dir() {
            let name = entry.file_name().into_string().unwrap();
            let layer = |layer: &&str| layer.split('/').next() == Some(&name);
            let known = LAYERS.iter().any(layer) || leaves.contains(&name.as_str());
            assert!(known, "layers/src/{name} is in no list of this test");
        }
    }
}

#[test]
fn every_example_stands_in_the_readme() {
    let readme = first_cells(&read("README.md"));
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            readme.contains(&name),
            "README.md has no row for the example {name}"
        );
    }
}

#[test]
fn every_item_of_the_checklist_names_a_test_that_is_there() {
    let guide = read("src/guide/production.md");
    let rows = guide
        .lines()
        .filter(|line| line.matches(" | ").count() == 3);
    // Without its head and the line below.
    let named: Vec<_> = rows
        .filter_map(|row| row.trim_end_matches("` |").rsplit_once("| `"))
        .map(|(_, test)| format!("fn {test}("))
        .collect();
    let mut sources = sources("tests/it");
    sources.extend(self::sources("layers/tests"));

    assert_eq!(named.len(), 10, "{named:?}");
    for test in named {
        let there = sources.iter().any(|(_, text)| text.contains(&test));
        assert!(there, "{test} is nowhere");
    }
}

#[test]
fn every_example_of_the_performance_guide_is_there() {
    let guide = read("src/guide/performance.md");
    let (_, sections) = guide.split_once("| section of the original |").unwrap();
    let rows = sections
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let examples: Vec<_> = rows
        .filter_map(|row| row.split('|').nth(2))
        .flat_map(|cell| cell.split(','))
        .map(|name| name.trim().trim_matches('`'))
        .filter(|name| !name.is_empty())
        .collect();

    assert!(examples.len() > 12, "{examples:?}");
    for name in examples {
        assert!(
            root().join(format!("examples/{name}.rs")).exists(),
            "{name}"
        );
    }
}

#[test]
fn every_dependency_says_which_of_its_features_it_wants() {
    let manifest = read("Cargo.toml");
    let (_, after) = manifest.split_once("[workspace.dependencies]").unwrap();
    let section = after.split("\n[").next().unwrap();
    for line in section.lines().filter(|line| line.contains('=')) {
        assert!(line.contains("default-features = false"), "{line}");
    }
}

#[test]
fn no_crate_is_there_in_two_versions() {
    let known: BTreeSet<&str> = KNOWN_DUPLICATES.into();
    let lock = read("Cargo.lock");
    let mut versions = BTreeMap::<&str, BTreeSet<&str>>::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let line = package.lines().find(|line| line.starts_with(name)).unwrap();
            line.split('"').nth(1).unwrap()
        };
        versions
            .entry(field("name = "))
            .or_default()
            .insert(field("version = "));
    }
    let twice: BTreeSet<_> = versions
        .iter()
        .filter(|(_, versions)| versions.len() > 1)
        .map(|(name, _)| *name)
        .collect();

    assert_eq!(twice, known);
}

/// Tonic and hyper-util disagree on `base64`, ring and tempfile on `getrandom`, derive macros on `syn`,
/// metrics-util with indexmap on `hashbrown` and with proptest on `rand`, and what is built elsewhere
/// only on the rest. No version of ours can bring them together.
const KNOWN_DUPLICATES: [&str; 9] = [
    "base64",
    "getrandom",
    "hashbrown",
    "r-efi",
    "rand",
    "rand_core",
    "syn",
    "windows-link",
    "windows-sys",
];

#[test]
fn nothing_is_left_undone_or_switched_off() {
    let words = [
        "todo!(",
        "unimplemented!(",
        "#[ignore",
        "should_panic",
        "thread::sleep",
        "dbg!(",
    ];
    for folder in ["src", "layers/src", "layers/tests", "examples"] {
        assert_absent(folder, &words, &[]);
    }
}

#[test]
fn files_can_be_read_at_one_sitting() {
    for folder in ["src", "layers/src", "examples"] {
        for (path, text) in sources(folder) {
            let lines = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap()
                .lines()
                .count();
            assert!(
                lines <= 580,
                "{} has {lines} lines before its tests",
                path.display()
            );
        }
    }
}

#[test]
fn every_public_item_shows_an_example() {
    let mut without = Vec::new();
    for folder in ["src", "layers/src"] {
        for (path, text) in sources(folder) {
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let lines: Vec<_> = code.lines().collect();
            let mut in_public_trait = false;
            for (number, line) in lines.iter().enumerate() {
                in_public_trait |= line.starts_with("pub trait ");
                in_public_trait &= *line != "}";
                let method = in_public_trait && line.starts_with("    fn ");
                // What a macro makes has the docs that the macro is given.
                if line.contains('$') {
                    continue;
                }
                if (method || is_public_item(line)) && !is_shown(&lines[..number]) {
                    without.push(format!("{}:{}: {line}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(without.is_empty(), "{without:#?}");
}

/// Whether an item that has examples begins here. Constants, fields and variants are shown by the item
/// that they belong to.
fn is_public_item(line: &str) -> bool {
    let Some(item) = line.trim_start().strip_prefix("pub ") else {
        return false;
    };
    let words = item.split(|c: char| !c.is_alphanumeric());
    let mut words = words.skip_while(|word| ["const", "async"].contains(word));
    let kinds = ["fn", "struct", "enum", "trait", "union"];
    words.next().is_some_and(|word| kinds.contains(&word))
}

/// Whether what stands before an item, down to an empty line or the end of another, holds an example.
fn is_shown(before: &[&str]) -> bool {
    let above = before.iter().rev().map(|line| line.trim());
    let mut own = above.take_while(|line| {
        line.starts_with("///") || !(line.is_empty() || line.ends_with(['{', '}', ';']))
    });
    own.any(|line| {
        ["```", "example!", "include_str!", "doc(hidden)"]
            .iter()
            .any(|shown| line.contains(shown))
    })
}
