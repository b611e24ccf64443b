//! A stack of your own under the typed client: layers of Blossom's, of tower's, and of yours.

use std::time::{Duration, Instant};

use blossom::{
    Blossom, Body, Dialect, Endpoint,
    layers::{
        observe::ObserveLayer,
        timeout::{HeadTimeoutLayer, IdleTimeoutLayer, TotalTimeoutLayer},
    },
    policy::ObserveReply,
    sandbox::Sandbox,
    transport::Transport,
};
use http::Request;
use tower::ServiceBuilder;

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "an example measures real time")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::start()?;

    let stack = ServiceBuilder::new()
        // The whole call, to the end of its body.
        .layer(TotalTimeoutLayer::new(Duration::from_secs(60)))
        // Yours: anything that tower can do with a request.
        .map_request(|request: Request<Body>| {
            println!("-> {} {}", request.method(), request.uri().path());
            request
        })
        .layer(HeadTimeoutLayer::new(Duration::from_secs(10)))
        .layer(IdleTimeoutLayer::new(Duration::from_secs(10)))
        // Directly outside the transport: it sees what the wire gave.
        .layer(ObserveLayer::new(ObserveReply))
        .service(Transport::builder().build()?);

    let client = Blossom::from_service(stack)
        .endpoint(Endpoint::new(Dialect::Gen, sandbox.base_url())?)
        .build();

    let started = Instant::now();
    let answer = client.text().generate("What is a layer?").await?;
    println!("{answer}");
    println!("<- {:?}, of which {:?}", started.elapsed(), answer.timing());
    Ok(())
}
