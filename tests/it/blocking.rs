//! The client without async, on plain threads and inside runtimes.

use std::{sync::mpsc, thread};

use blossom::{
    Blossom, ErrorKind, Quality, blocking,
    protocol::{SpeechFormat, Tool},
    sandbox::Sandbox,
};

fn pair() -> (Sandbox, blocking::Blossom) {
    let sandbox = Sandbox::start().unwrap();
    let client = Blossom::builder()
        .base_url(sandbox.base_url())
        .build_blocking()
        .unwrap();
    (sandbox, client)
}

#[test]
fn every_operation_works_without_a_runtime() {
    let (sandbox, client) = pair();

    let answer = client.text().generate("Hi").seed(7).send().unwrap();
    assert!(!answer.content().is_empty());
    let chat = client.text().chat(["Hi"]).temperature(0.1).send().unwrap();
    assert!(chat.usage().is_some());
    let image = client
        .image()
        .generate("a cat")
        .size(32, 16)
        .quality(Quality::Low);
    assert!(image.url().unwrap().contains("width=32"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cat.jpg");
    let image = image.send().unwrap();
    image.save(&path).wait().unwrap();
    assert_eq!(std::fs::read(path).unwrap(), image.bytes());
    let speech = client
        .audio()
        .speak("Hello")
        .format(SpeechFormat::Wav)
        .send()
        .unwrap();
    assert!(speech.bytes().starts_with(b"RIFF"));
    assert!(!client.models().send().unwrap().is_empty());
    assert_eq!(sandbox.requests()[0].parsed()["seed"], 7);
}

#[test]
fn a_hit_needs_no_other_thread() {
    let (sandbox, client) = pair();
    let ask = client.text().generate("Hi");
    ask.clone().send().unwrap();
    ask.clone().stream().unwrap().finish().unwrap();
    // The one thread that makes calls does something else.
    let (busy, is_busy) = mpsc::channel();
    let (go_on, goes_on) = mpsc::channel::<()>();
    let occupied = thread::spawn(move || {
        client.block_on(async move {
            busy.send(()).unwrap();
            goes_on.recv().unwrap_err();
        })
    });
    is_busy.recv().unwrap();

    let hit = ask.clone().send().unwrap();
    let mut streamed = ask.stream().unwrap();
    let deltas: Vec<_> = streamed.by_ref().collect::<Result<_, _>>().unwrap();

    assert!(!hit.content().is_empty() && !deltas.is_empty());
    assert!(!streamed.finish().unwrap().content().is_empty());
    // A stream has an answer of its own.
    assert_eq!(sandbox.count(), 2);
    drop(go_on);
    occupied.join().unwrap().unwrap();
}

#[test]
fn a_stream_is_an_iterator_and_has_a_whole() {
    let (sandbox, client) = pair();

    let mut stream = client.text().generate("Hi").stream().unwrap();
    let mut text = String::new();
    for delta in &mut stream {
        text.push_str(delta.unwrap().content());
    }
    assert_eq!(stream.finish().unwrap().content(), text);

    let cut = client
        .text()
        .chat(["Hi"])
        .header("x-sandbox-fault", "cut;after-events=3");
    let ends: Vec<_> = cut.stream().unwrap().collect();
    let error = ends.last().unwrap().as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Truncated);
    assert!(!error.partial().unwrap().content().is_empty());

    let stalls = client
        .text()
        .chat(["Hi"])
        .header("x-sandbox-fault", "stall;after-events=2");
    let mut stream = stalls.stream().unwrap();
    stream.next().unwrap().unwrap();
    drop(stream);
    for _ in 0..400 {
        if sandbox.in_flight() == 0 {
            return;
        }
        thread::park_timeout(std::time::Duration::from_millis(5));
    }
    panic!("a dropped stream goes on");
}

#[test]
fn it_waits_for_nobody_inside_a_runtime() {
    let (_sandbox, client) = pair();
    let call = || {
        client
            .text()
            .generate("Hi")
            .send()
            .unwrap()
            .content()
            .to_owned()
    };
    let outside = call();

    for mut builder in [
        tokio::runtime::Builder::new_current_thread(),
        tokio::runtime::Builder::new_multi_thread(),
    ] {
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async {
            assert_eq!(call(), outside);
            let stream = client.text().generate("Hi").stream().unwrap();
            assert_eq!(stream.finish().unwrap().content(), outside);
            // The last clone may go there, too.
            drop(pair());
        });
    }
}

#[test]
fn many_threads_share_one_worker_and_its_connections() {
    let (sandbox, client) = pair();
    let threads: Vec<_> = (0..16)
        .map(|number| {
            let client = client.clone();
            thread::spawn(move || {
                for round in 0..5 {
                    let prompt = format!("{number} {round}");
                    client.text().generate(prompt).send().unwrap();
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }

    assert_eq!(sandbox.count(), 80);
    // One for each thread, and some that a free one has overtaken.
    assert!(sandbox.connections() <= 40, "{}", sandbox.connections());
}

#[test]
fn failures_are_typed_and_a_panic_is_one() {
    let (_sandbox, client) = pair();

    let failing = client
        .text()
        .generate("Hi")
        .header("x-sandbox-fault", "form-a");
    assert_eq!(
        failing.send().unwrap_err().kind(),
        ErrorKind::InvalidRequest
    );
    let illegal = client.text().chat(["Hi"]).temperature(9.0).send();
    assert_eq!(illegal.unwrap_err().kind(), ErrorKind::InvalidRequest);

    let panics = client.block_on(async {
        assert_eq!(1, 2, "on purpose");
    });
    assert_eq!(panics.unwrap_err().kind(), ErrorKind::Canceled);
    client.text().generate("Hi").send().unwrap();
}

#[test]
fn tools_and_batches_are_there() {
    let (_sandbox, client) = pair();
    let weather = Tool::function("weather");
    let asks = client
        .text()
        .chat(["Weather?"])
        .tools([weather])
        .send()
        .unwrap();
    assert_eq!(asks.tool_calls()[0].name(), "weather");

    let batch = client.client().batch(["a", "b", "c"]).concurrency(2);
    assert_eq!(client.block_on(batch.run()).unwrap().len(), 3);
}
