//! A batch that is killed goes on where it was.

use std::time::Duration;

use blossom::{Blossom, sandbox::Sandbox};

use crate::support::{alone, eventually, given, succeeds};

const INPUTS: usize = 400;
const AT_ONCE: usize = 8;

/// Runs the batch to its end, in a process that may be killed.
async fn batch(base_url: &str, checkpoint: &str) {
    let client = Blossom::builder().base_url(base_url).build().unwrap();
    let results = client
        .batch((0..INPUTS).map(|n| format!("Prompt {n}")))
        .concurrency(AT_ONCE)
        .checkpoint(checkpoint)
        .run()
        .await;

    assert_eq!(results.len(), INPUTS);
    for (n, result) in results.into_iter().enumerate() {
        // The same request has the same answer, in every process.
        let call = client.text().generate(format!("Prompt {n}")).no_store();
        if n % 100 == 0 {
            assert_eq!(result.unwrap().content(), call.await.unwrap().content());
        } else {
            assert!(!result.unwrap().content().is_empty());
        }
    }
}

#[tokio::test]
async fn l7_a_batch_that_is_killed_goes_on_and_repeats_no_more_than_was_under_way() {
    if let Some(given) = given() {
        let (base_url, checkpoint) = given.split_once(' ').unwrap();
        return batch(base_url, checkpoint).await;
    }
    let sandbox = Sandbox::builder()
        .latency(Duration::from_millis(10))
        .start()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("batch.jsonl");
    let name = "killed::l7_a_batch_that_is_killed_goes_on_and_repeats_no_more_than_was_under_way";
    let given = format!("{} {}", sandbox.base_url(), checkpoint.display());
    let start = || alone(name, &given).spawn().unwrap();

    // Anywhere: in its first calls, between, and close to its end.
    let moments = [3, 31, 32, 33, 90, 150, 190];
    for moment in moments {
        let mut child = start();
        eventually("it runs", || sandbox.count() >= moment).await;
        // SIGKILL: nothing of it runs any more.
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert!(!status.success(), "it was killed, not done: {status}");
        eventually("nobody waits", || sandbox.in_flight() == 0).await;
    }
    succeeds(start());

    let prompts: Vec<_> = sandbox
        .requests()
        .iter()
        .map(|request| request.prompt().unwrap_or_default().to_owned())
        .collect();
    let asked: std::collections::BTreeSet<_> = prompts.iter().collect();
    assert_eq!(asked.len(), INPUTS, "each was asked");
    // Four were asked once more at the end, to compare.
    let repeated = prompts.len() - 4 - INPUTS;
    let killed = moments.len();
    assert!(repeated > 0, "nothing was under way: it proves nothing");
    assert!(
        repeated <= killed * AT_ONCE,
        "{repeated} were asked twice after {killed} kills with {AT_ONCE} under way"
    );
}
