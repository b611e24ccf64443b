//! Answers as values: by a type, by a schema of one's own, and as any JSON.

use blossom::{Blossom, protocol::ResponseFormat, sandbox::Sandbox};
use serde_json::{Value, json};

/// A dish and how it is made.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Recipe {
    title: String,
    minutes: u32,
    steps: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;

    // The type's schema goes with the request; its docs tell the model what is what.
    let typed = client
        .text()
        .chat(["A soup, please"])
        .parse::<Recipe>()
        .await?;
    let recipe = typed.value();
    println!(
        "{} in {} minutes, {} steps",
        recipe.title,
        recipe.minutes,
        recipe.steps.len()
    );

    let schema = json!({
        "type": "object",
        "properties": { "colour": { "type": "string", "enum": ["red", "green"] } },
        "required": ["colour"],
    });
    let format = ResponseFormat::json_schema("colour", schema).strict(true);
    let answer = client
        .text()
        .chat(["Stop or go?"])
        .response_format(format)
        .await?;
    println!("colour: {}", answer.json::<Value>()?["colour"]);

    let chat = client.text().chat(["Answer in JSON: what is Rust?"]);
    let answer = chat.response_format(ResponseFormat::json()).await?;
    println!("any: {}", answer.json::<Value>()?);
    Ok(())
}
