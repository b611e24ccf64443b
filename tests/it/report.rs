//! The report of the example of that name, as a reader without a browser and as a browser sees it.
//!
//! Where no Chromium is installed, what needs it says so and is skipped; `tests/run` installs it, and
//! then nothing is.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

#[path = "../../examples/report/mod.rs"]
mod example;

use example::{Scale, measure, page};

/// Set where a browser must be there.
const NEEDED: &str = "BLOSSOM_TESTS_NEED_CHROMIUM";

/// What a reader looks at, measured by the page itself: sizes, shapes, colours.
const MEASURE: &str = include_str!("report/measure.js");

const SMALL: Scale = Scale {
    latency: Duration::from_millis(40),
    rounds: 1,
    calls: 60,
    tick: Duration::from_millis(1),
};

#[tokio::test]
async fn the_report_holds_what_was_measured_in_one_piece() {
    let figures = measure(SMALL).await.unwrap();

    let (with, without) = (&figures.workload.with, &figures.workload.without);
    assert_eq!((with.len(), without.len()), (60, 60));
    assert!(without.iter().all(|call| call.upstream && call.cost.0 > 0));
    let asked = with.iter().filter(|call| call.upstream);
    assert!(asked.count() <= 12, "each of its questions once");
    assert!(figures.workload.money_saved() > 50.0);
    assert_eq!(figures.batch.spans.len(), 40);
    assert_eq!(figures.batch.progress.failed, 1);
    assert_eq!(figures.summary().lines().count(), 5);

    let page = page(&figures);
    for word in [
        "http:", "https:", "url(", "src=", "<script", "<link", "NaN", "inf ",
    ] {
        assert!(!page.contains(word), "{word}");
    }
    for word in [
        "width=device-width",
        "prefers-color-scheme: dark",
        "lang=\"en\"",
    ] {
        assert!(page.contains(word), "{word}");
    }
    assert_eq!(page.matches("<section ").count(), 4);
    assert_eq!(page.matches("<table>").count(), 4);
    // Five charts, each in two widths, with a title and a description.
    assert_eq!(page.matches("<svg ").count(), 10);
    assert_eq!(page.matches("<desc ").count(), 10);
}

#[tokio::test]
async fn the_report_can_be_read_on_a_phone_and_in_the_dark() {
    let Some(chromium) = chromium() else {
        assert!(
            std::env::var_os(NEEDED).is_none(),
            "{NEEDED} is set, and there is no chromium; install it, or run tests/run"
        );
        println!("skipped: chromium is not installed; tests/run installs it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let page = page(&measure(SMALL).await.unwrap());
    let framed = |width: u32| {
        let file = folder.path().join(format!("{width}.html"));
        fs::write(&file, frame(&page, width)).unwrap();
        file
    };

    let phone = open(&chromium, &framed(390), None).await;
    let desk = open(&chromium, &framed(1280), None).await;
    let dark = "--blink-settings=preferredColorScheme=0";
    let dark = open(&chromium, &framed(390), Some(dark)).await;

    for (seen, width) in [(&phone, 390), (&desk, 1280), (&dark, 390)] {
        assert_eq!(seen["width"], width);
        assert_eq!(seen["sideways"], 0, "it need not be moved sideways");
        assert_eq!(seen["resources"], 0);
        assert_eq!(seen["tables"], 4);
        let contrast = seen["contrast"].as_f64().unwrap();
        assert!(contrast >= 4.5, "{contrast}: {}", seen["weakest"]);
        let text = seen["smallest_text"].as_f64().unwrap();
        assert!(text >= 10.5, "{text} px");
        let charts = seen["charts"].as_array().unwrap();
        assert_eq!(charts.len(), 5);
        for chart in charts {
            assert!(chart["width"].as_f64().unwrap() > 250.0, "{chart}");
            assert!(chart["height"].as_f64().unwrap() > 150.0, "{chart}");
            assert!(chart["shapes"].as_u64().unwrap() >= 3, "{chart}");
            assert_eq!(chart["cut"], Value::Array(Vec::new()), "{chart}");
            assert_ne!(chart["title"], "");
            assert_ne!(chart["text"], "");
        }
    }
    assert_eq!(phone["beside"], 0, "on a phone tables stand below");
    assert_eq!(desk["beside"], 4);
    assert_ne!(phone["background"], dark["background"]);
    let brightness = |seen: &Value| seen["brightness"].as_f64().unwrap();
    assert!(brightness(&phone) > 0.8 && brightness(&dark) < 0.1);
}

/// A page that shows `page` as a screen of that width would, and has it measure itself. (A window of
/// a browser cannot be as narrow as a phone.)
fn frame(page: &str, width: u32) -> String {
    let script = format!("<script>{MEASURE}</script></body>");
    let page = page.replace("</body>", &script);
    let page = page.replace('&', "&amp;").replace('"', "&quot;");
    format!(
        "<!doctype html><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <iframe width=\"{width}\" height=\"844\" srcdoc=\"{page}\"></iframe>"
    )
}

/// Where Chromium is, if it is installed.
fn chromium() -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join("chromium"))
        .find(|program| program.is_file())
}

/// Opens a page in a browser that has never been used, and gives what the page has measured.
async fn open(chromium: &Path, page: &Path, more: Option<&str>) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let [out, log] = ["out", "log"].map(|name| folder.path().join(name));
    let mut address = OsString::from("file://");
    address.push(page);
    let mut browser = Command::new(chromium)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-background-networking",
        ])
        .args(["--no-first-run", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg("--window-size=1400,900")
        .args(more)
        .arg(address)
        .stdout(File::create(&out).unwrap())
        .stderr(File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let status = loop {
        if let Some(status) = browser.try_wait().unwrap() {
            break status;
        }
        if start.elapsed() > Duration::from_secs(60) {
            browser.kill().unwrap();
            browser.wait().unwrap();
            panic!(
                "chromium does not end: {}",
                fs::read_to_string(&log).unwrap()
            );
        }
        sleep(Duration::from_millis(20)).await;
    };
    let log = fs::read_to_string(&log).unwrap();
    assert!(status.success(), "{status}: {log}");
    // The script says one word, so that silence means that nothing was wrong.
    let console: Vec<_> = log
        .lines()
        .filter(|line| line.contains("CONSOLE"))
        .collect();
    assert!(
        matches!(console[..], [line] if line.contains("\"measured\"")),
        "{console:#?}"
    );
    let dom = fs::read_to_string(&out).unwrap();
    let (_, after) = dom.split_once("<pre id=\"measured\" hidden=\"\">").unwrap();
    let (json, _) = after.split_once("</pre>").unwrap();
    let json = json
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&");
    serde_json::from_str(&json).unwrap()
}
