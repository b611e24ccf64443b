//! The strategies of the performance guide as a page of charts: `report.html` in the target folder.
//!
//! ```sh
//! cargo run --example report
//! ```
//!
//! Latency by strategy, the hit rate of a cache over time, what it saves in tokens and money, and the
//! time line of a batch: all measured as it runs, against the sandbox with a tenth of the latency of
//! a real service. The page is one file without scripts or anything from elsewhere.

use std::path::{Path, PathBuf};

#[path = "report/mod.rs"]
mod report;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let figures = report::measure(report::Scale::default()).await?;
    let path = target()?.join("report.html");
    std::fs::write(&path, report::page(&figures))?;
    println!("{}", figures.summary());
    println!("open {}", path.display());
    Ok(())
}

/// The target folder, which this program was built into.
fn target() -> std::io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let marked = |folder: &&Path| folder.join("CACHEDIR.TAG").exists();
    match program.ancestors().skip(1).find(marked) {
        Some(folder) => Ok(folder.to_owned()),
        None => std::env::current_dir(),
    }
}
