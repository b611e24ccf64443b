//! Tools: defined by a type, asked for by the model, answered, and the answer used.

use blossom::{
    Blossom,
    protocol::{Message, Tool},
    sandbox::Sandbox,
};

/// Where and when.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
struct Weather {
    /// The name of the city.
    city: String,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;
    let client = Blossom::builder().base_url(sandbox.base_url()).build()?;
    let weather = Tool::typed::<Weather>("weather").description("The weather of a city");
    let mut history = vec![Message::user("What is the weather in Paris?")];

    // The pieces of a call that is streamed are put together by themselves.
    let stream = client.text().chat(history.clone()).tools([weather.clone()]);
    let asked = stream.stream().await?.finish().await?;
    history.push(asked.to_message());
    for call in asked.tool_calls() {
        // Models write what they like: what cannot be read is told to them, and they try again.
        let result = match call.parse::<Weather>() {
            Ok(weather) => format!("sunny in {}", weather.city),
            Err(error) => format!("wrong arguments: {error}"),
        };
        println!("{}({}) -> {result}", call.name(), call.arguments());
        history.push(Message::tool(call.id(), result));
    }

    let answer = client.text().chat(history).tools([weather]).await?;
    println!("{answer}");
    Ok(())
}
