//! The forms of failure as the sandbox sends them, compared with the guide's table.

use blossom::{ErrorKind, protocol::Message};

use crate::support::{FAULT, pair};

const GUIDE: &str = include_str!("../../src/guide/errors.md");

/// The rows of the table of forms: letter, status, kind, and whether another try can help.
fn forms() -> Vec<(char, u16, String, bool)> {
    let (_, section) = GUIDE.split_once("\n## By form\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(2);
    rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        (
            cells[0].chars().next().unwrap().to_ascii_lowercase(),
            cells[2].parse().unwrap(),
            cells[3].trim_matches('`').to_owned(),
            cells[4] == "yes",
        )
    })
    .collect()
}

#[tokio::test]
async fn every_form_is_told_as_the_guide_says_by_every_operation() {
    let (_sandbox, client) = pair();
    let rows = forms();
    assert_eq!(
        rows.iter().map(|row| row.0).collect::<String>(),
        "abcdefghij"
    );

    for (form, status, kind, retryable) in rows {
        let fault = format!("form-{form}");
        let mut errors = vec![
            client
                .text()
                .generate("Hi")
                .header(FAULT, &fault)
                .await
                .unwrap_err(),
            client
                .text()
                .chat(["Hi"])
                .header(FAULT, &fault)
                .await
                .unwrap_err(),
        ];
        let stream = client
            .text()
            .chat(["Hi"])
            .header(FAULT, &fault)
            .stream()
            .await;
        errors.push(match stream {
            Ok(stream) => stream.finish().await.unwrap_err(),
            Err(error) => error,
        });
        // The notice to pay is for texts only.
        if form != 'j' {
            let image = client.image().generate("a cat").size(8, 8);
            errors.push(image.header(FAULT, &fault).await.unwrap_err());
            errors.push(
                client
                    .audio()
                    .speak("Hi")
                    .header(FAULT, &fault)
                    .await
                    .unwrap_err(),
            );
            errors.push(client.models().header(FAULT, &fault).await.unwrap_err());
        }
        for error in errors {
            assert_eq!(
                format!("{:?}", error.kind()),
                kind,
                "form {form}: {error:?}"
            );
            assert_eq!(error.is_retryable(), retryable, "form {form}");
            assert_eq!(error.status().unwrap().as_u16(), status, "form {form}");
            assert!(error.suggestion().is_some(), "form {form}");
        }
    }
}

#[tokio::test]
async fn k13_nonsense_where_an_answer_should_be_is_typed_and_kept() {
    let (sandbox, client) = pair();
    let deep = "[".repeat(200_000);
    let long = format!(
        r#"{{"choices":[{{"message":{{"content":"{}"#,
        "x".repeat(1 << 20)
    );
    for body in [
        "",
        "null",
        "[]",
        "{}",
        "NaN",
        "{\"choices\":[]}",
        "{\"choices\":[{\"message\":null}]}",
        "{\"choices\":[{\"message\":{\"content\":\"a\"",
        "{\"choices\":[{\"message\":{\"content\":\"a\"}}],\"usage\":{\"total_tokens\":1e999}}",
        &format!(r#"{{"choices":[{{"message":{{"content":{deep}"#),
        &deep,
        &long,
    ] {
        sandbox.script([(200, body)]);
        let error = client.text().chat([Message::user("Hi")]).await.unwrap_err();
        let shown: String = body.chars().take(60).collect();
        assert_eq!(error.kind(), ErrorKind::Decode, "{shown}");
        assert_eq!(error.partial().unwrap().body(), body.as_bytes(), "{shown}");
        assert!(error.to_string().len() < 1024);
    }
}

#[tokio::test]
async fn an_error_under_a_status_of_success_is_that_error() {
    let (sandbox, client) = pair();
    for (body, kind) in [
        (
            r#"{"error":{"message":"no","code":"insufficient_quota"}}"#,
            ErrorKind::Payment,
        ),
        (
            r#"{"error":{"message":"no","code":429}}"#,
            ErrorKind::RateLimited,
        ),
        (r#"{"error":"no"}"#, ErrorKind::Upstream),
        (
            r#"{"success":false,"status":401,"error":{"message":"no"}}"#,
            ErrorKind::Unauthorized,
        ),
    ] {
        sandbox.script([(200, body)]);
        let error = client.text().chat([Message::user("Hi")]).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{body}");
    }
}

#[tokio::test]
async fn what_a_filter_ends_is_typed_and_kept() {
    let (sandbox, client) = pair();
    let body = r#"{"choices":[{"message":{"content":"so far"},"finish_reason":"content_filter"}]}"#;
    sandbox.script([(200, body)]);

    let error = client.text().chat([Message::user("Hi")]).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::ContentPolicy);
    assert_eq!(error.partial().unwrap().content(), "so far");
}
