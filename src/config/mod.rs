//! Settings from a file.
//!
//! TOML, flat: each key bears the name of the builder's setting, and means the same.
//!
//! ```toml
//! api_key_file = "/etc/blossom/key"
//! total_timeout = "2m"
//! max_response_bytes = "16 MiB"
//! ```
//!
//! | kind | written as |
//! | --- | --- |
//! | a time | `"250ms"`, `"30s"`, `"5m"`, `"1h"`, `"1d"`, a number of seconds, or `"none"` |
//! | a size | a number of bytes, or `"64 KiB"`, `"1 MiB"`, `"2 GiB"` |
//! | anything else | as it is: `true`, `7`, `0.5`, `"text"` |
//!
//! A key or a file that is wrong is an [`ErrorKind::Builder`] that names the file, the line, and for an
//! unknown key the one that comes nearest.
//!
//! # Keys
//!
//! The API key may stand in the file as `api_key`, or in a file of its own as `api_key_file`. A file
//! with a key that others on the machine can read is refused; `loose_permissions = "warn"` warns
//! instead. A key is never taken from the command line, where every process can see it.

mod keys;
mod nearest;
mod value;

use std::{fs, ops::Range, path::Path};

use toml::de::DeTable;

use self::{keys::KEYS, value::Given};
use crate::{Blossom, Builder, Error, ErrorKind, Result};

impl Blossom {
    /// A client with the settings of a file; see [`config`](crate::config) for what it may hold.
    ///
    /// Nothing is taken from the environment.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("blossom.toml");
    /// std::fs::write(&path, "base_url = 'http://127.0.0.1:8080'\ntotal_timeout = '2m'\n")?;
    /// let client = blossom::Blossom::from_file(&path)?;
    /// assert!(format!("{client:?}").contains("total_timeout: 120s"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Builder`]: the file cannot be read, is no TOML, has an unknown key or a wrong
    /// value, holds a key that others can read, or [`Builder::build`] refuses what it says.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        Builder::from_file(path)?.build()
    }
}

impl Builder {
    /// A builder with the settings of a file, to go on from; see [`Blossom::from_file`].
    ///
    /// # Errors
    ///
    /// As [`Blossom::from_file`], but nothing is built yet.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("blossom.toml");
    /// std::fs::write(&path, "base_url = 'http://127.0.0.1:8080'\nmax_in_flight = 4\n")?;
    /// let client = blossom::Builder::from_file(&path)?.max_in_flight(8).build()?;
    /// assert_eq!(client.limits().map(|limits| limits.concurrency().limit()), Some(8));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| refused(format!("{}: {error}", path.display())).with_source(error))?;
        let file = File { path, text: &text };
        file.apply(Self::default())
    }
}

/// A file of settings.
struct File<'a> {
    path: &'a Path,
    text: &'a str,
}

impl File<'_> {
    fn apply(&self, mut builder: Builder) -> Result<Builder> {
        let table = DeTable::parse(self.text)
            .map_err(|error| self.refused(error.span(), error.message()))?;
        let table = table.get_ref();
        let loose = table.get("loose_permissions").map(|value| value.get_ref());
        let folder = self.path.parent().unwrap_or(Path::new(""));
        for (name, value) in table {
            let (name, span) = (name.get_ref().as_ref(), name.span());
            let given = Given {
                value: value.get_ref(),
                path: self.path,
                folder,
                warn_only: loose.and_then(|value| value.as_str()) == Some("warn"),
            };
            let Some((_, set)) = KEYS.iter().find(|(known, _)| *known == name) else {
                return Err(self.refused(Some(span), &unknown(name)));
            };
            builder = set(builder, &given).map_err(|problem| {
                self.refused(Some(value.span()), &format!("{name} {problem}"))
            })?;
        }
        Ok(builder)
    }

    /// What is wrong, and on which line.
    fn refused(&self, span: Option<Range<usize>>, problem: &str) -> Error {
        let before = span.and_then(|span| self.text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        refused(format!("{} line {line}: {problem}", self.path.display()))
    }
}

fn refused(problem: String) -> Error {
    Error::new(ErrorKind::Builder, problem)
}

fn unknown(name: &str) -> String {
    let name = name.escape_debug();
    match nearest::nearest(&name.to_string(), KEYS.iter().map(|(known, _)| *known)) {
        Some(known) => format!("there is no setting {name}; did you mean {known}?"),
        None => format!("there is no setting {name}"),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blossom.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        (folder, path)
    }

    fn problem(text: &str) -> String {
        let (_folder, path) = file(text);
        let error = Builder::from_file(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Builder);
        error.to_string()
    }

    #[test]
    fn m4_a_misspelt_key_is_told_with_its_line_and_the_nearest_one() {
        let text = problem("# mine\n\ntotal_timeout = '5s'\nhead_timout = '1s'\n");

        assert!(
            text.ends_with(
                "blossom.toml line 4: there is no setting head_timout; did you mean head_timeout?"
            ),
            "{text}"
        );
        assert!(problem("zzz = 1").ends_with("line 1: there is no setting zzz"));
    }

    #[test]
    fn a_wrong_value_is_told_with_its_line_and_what_is_expected() {
        for (text, expected) in [
            (
                "\nidle_timeout = 'soon'",
                "line 2: idle_timeout must be a time such as \"30s\", not \"soon\"",
            ),
            (
                "idle_timeout = true",
                "line 1: idle_timeout must be a time such as \"30s\", not a boolean",
            ),
            (
                "max_request_bytes = -1",
                "line 1: max_request_bytes must be a size such as \"64 MiB\", not -1",
            ),
            ("max_request_bytes = '9e9 EiB'", "not \"9e9 EiB\""),
            ("idle_timeout = ", "line 1: "),
        ] {
            let text = problem(text);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn m3_a_key_that_others_can_read_is_refused_or_warned_about() {
        let (folder, path) = file("api_key = 'sk_secret'");
        assert!(Blossom::from_file(&path).is_ok());

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let text = Builder::from_file(&path).unwrap_err().to_string();
        assert!(
            text.contains("chmod 600") && !text.contains("sk_secret"),
            "{text}"
        );
        fs::write(&path, "api_key = 'sk_secret'\nloose_permissions = 'warn'").unwrap();
        assert!(Blossom::from_file(&path).is_ok());

        let key = folder.path().join("key");
        fs::write(&key, "sk_secret\n").unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        fs::write(&path, "api_key_file = 'key'").unwrap();
        let text = Builder::from_file(&path).unwrap_err().to_string();
        assert!(
            text.contains("chmod 600") && !text.contains("sk_secret"),
            "{text}"
        );
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(Blossom::from_file(&path).is_ok());
    }

    #[test]
    fn m2_what_a_file_says_can_be_printed_without_its_secret() {
        let (_folder, path) = file("api_key = 'sk_secret'\nidle_timeout = 7\nmax_unread = 'none'");
        let text = format!("{:?}", Blossom::from_file(&path).unwrap());

        assert!(text.contains("idle_timeout: 7s"), "{text}");
        assert!(!text.contains("sk_secret"));
    }

    #[test]
    fn m2_every_setting_is_shown_with_its_value_and_without_its_secrets() {
        let (_folder, path) = file(
            "api_key = 'sk_secret'\nbase_url = 'https://example.com/base'\nproxy = 'http://u:secret@h:1'\n\
             total_timeout = 77\nhead_timeout = 11\nunary_timeout = 12\nfirst_event_timeout = 13\n\
             idle_timeout = 14\nmax_unread = 15\nmax_attempts = 7\nmax_in_flight = 17\n\
             max_waiting = 18\nrequests_per_minute = 1900\ntokens_per_minute = 2000\n\
             warn_prompt_tokens = 21\nmax_prompt_tokens = 22\nclamp_max_tokens = 23\n\
             max_request_bytes = 24\nmax_response_bytes = 25\nconnect_timeout = 26\n\
             proxy_bypass = ['a.example']\nallow_plain_http = ['b.example']",
        );
        let client = Blossom::from_file(&path).unwrap();
        let text = format!("{client:?}");

        for value in [
            "https://example.com/base",
            "total_timeout: 77s",
            "head_timeout: 11s",
            "unary_timeout: 12s",
            "first_event_timeout: 13s",
            "idle_timeout: 14s",
            "max_unread: 15s",
            "max_attempts: 7",
            "max_in_flight: 17",
            "max_waiting: 18",
            "requests_per_minute: 1900",
            "tokens_per_minute: 2000",
            "warn_prompt_tokens: 21",
            "max_prompt_tokens: 22",
            "clamp_max_tokens: 23",
            "max_request_bytes: 24",
            "max_response_bytes: 25",
            "connect_timeout: 26s",
            "a.example",
            "b.example",
            "proxy: hidden",
            "api_key: hidden",
        ] {
            assert!(text.contains(value), "{value} is not in {text}");
        }
        // Where these come from, and what they become.
        let shown_otherwise = [
            "api_key_file",
            "loose_permissions",
            "without_api_key",
            "base_url",
        ];
        for (name, _) in KEYS
            .iter()
            .filter(|(name, _)| !shown_otherwise.contains(name))
        {
            assert!(
                text.contains(&format!("{name}: ")),
                "{name} is not in {text}"
            );
        }
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn m2_the_stack_is_shown_in_its_order() {
        let (_folder, path) = file("base_url = 'http://127.0.0.1:1'");
        let text = format!("{:#?}", Blossom::from_file(&path).unwrap());

        let mut rest = text.as_str();
        let preset = include_str!("../preset/mod.rs");
        let rows = preset
            .lines()
            .filter_map(|line| line.strip_prefix("//! | `"));
        let names: Vec<_> = rows
            .filter_map(|row| Some(row.split_once('`')?.0))
            .collect();
        assert!(names.len() > 12, "{names:?}");
        for name in names.into_iter().filter(|name| *name != "spend::savings") {
            let Some((_, after)) = rest.split_once(&format!(" {name}")) else {
                panic!("{name} is not where it should be: {text}");
            };
            rest = after;
        }
    }

    #[test]
    fn times_and_sizes_are_written_as_people_do() {
        let (_folder, path) = file(
            "head_timeout = '250ms'\nunary_timeout = '1.5m'\nidle_timeout = '1h'\nmax_response_bytes = '1.5 MiB'",
        );
        let text = format!("{:?}", Builder::from_file(&path).unwrap());

        assert!(text.contains(&format!("head_timeout: {:?}", Duration::from_millis(250))));
        assert!(text.contains("unary_timeout: 90s"));
        assert!(text.contains("idle_timeout: 3600s"));
        assert!(text.contains("max_response_bytes: 1572864"));
    }

    #[test]
    fn tables_say_what_a_number_cannot() {
        let (_folder, path) = file(
            "backoff = { first = '1s', max = '4s' }\nretry_budget = { percent = 5, floor = 2 }\n\
             breaker = false\nspend_limit = { limit = '2.5', period = '1d' }\nquotas = 'unpaid'",
        );
        let text = format!("{:?}", Builder::from_file(&path).unwrap());

        assert!(text.contains("Nanos(2500000000)"), "{text}");
        let text = problem("backoff = { first = '1s' }");
        assert!(
            text.contains("backoff must be a table of first and max"),
            "{text}"
        );
    }

    // Some settings come with a feature, and their keys with them.
    #[cfg(all(
        feature = "cache-disk",
        feature = "decompression",
        feature = "native-roots"
    ))]
    #[test]
    fn every_setting_of_the_builder_is_a_key() {
        let is_key = |name: &&str| KEYS.iter().any(|(key, _)| key == name);
        let mut missing = Vec::new();
        for source in [
            include_str!("../builder.rs"),
            include_str!("../builder/cache.rs"),
            include_str!("../builder/connection.rs"),
            include_str!("../builder/cost.rs"),
            include_str!("../builder/limits.rs"),
            include_str!("../builder/retries.rs"),
        ] {
            let code = source.split("#[cfg(test)]").next().unwrap();
            let (_, builder) = code.split_once("impl Builder {").unwrap();
            let names = builder.lines().filter_map(|line| {
                let line = line.trim_start();
                let line = line
                    .strip_prefix("pub ")?
                    .trim_start_matches("const ")
                    .strip_prefix("fn ")?;
                let (name, rest) = line.split_once('(')?;
                rest.starts_with("mut self")
                    .then(|| name.split('<').next().unwrap())
            });
            missing.extend(names.filter(|name| !is_key(name)));
        }

        assert!(missing.is_empty(), "{missing:?}");
    }
}
