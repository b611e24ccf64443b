//! From a request to its answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    body::{Flight, StepBody},
    chat::{self, Answer},
    fault::{self, Fault},
    log::Recorded,
    parse::{self, Parsed},
    reply::{self, Echo, Reply},
    server::{Reset, Server},
};

/// The largest request body, as the service has it.
const MAX_BODY: usize = 20 * 1024 * 1024;

const FAULT_HEADER: &str = "x-sandbox-fault";

/// A request whose body has been read.
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Value,
}

pub(super) async fn answer(server: Server, request: Request<Incoming>, reset: Reset) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let Some(control) = path.strip_prefix("/__sandbox/") {
        return self::control(&server, &head.method, control);
    }
    let flight = Flight::begin(&server.log);
    let Ok(bytes) = Limited::new(body, MAX_BODY).collect().await else {
        return finish(reply::envelope(413, "Body too large", None), flight);
    };
    let bytes = bytes.to_bytes();
    let path = path.strip_prefix("/api").unwrap_or(path);
    let path = path.strip_prefix("/generate").unwrap_or(path);
    let asked = Asked {
        method: head.method,
        path: path.to_owned(),
        query: parse::query(&head.uri),
        headers: head.headers,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
    };
    let malformed = asked.body.is_null() && !bytes.is_empty();
    let reply = asked.answer(&server, malformed, &reset).await;
    finish(reply, flight)
}

/// The request is under way until its body has ended.
fn finish(reply: Reply, flight: Flight) -> Reply {
    reply.map(|body| body.flight(Some(flight)))
}

fn control(server: &Server, method: &Method, path: &str) -> Reply {
    match (method, path) {
        (&Method::GET, "faults") => reply::json(200, &fault::list()),
        (&Method::GET, "requests") => {
            let mut page = json!(server.log.counts());
            page["requests"] = json!(server.log.requests());
            reply::json(200, &page)
        }
        (&Method::DELETE, "requests") => {
            server.log.reset();
            reply::with_body(204, "", StepBody::default())
        }
        _ => reply::envelope(404, "No such control route", None),
    }
}

impl Asked {
    async fn answer(&self, server: &Server, malformed: bool, reset: &Reset) -> Reply {
        let mut parsed = Parsed::new(&self.query, &self.body);
        let path_prompt = self
            .path
            .strip_prefix("/text/")
            .filter(|_| self.method == Method::GET);
        let prompt = path_prompt
            .filter(|prompt| *prompt != "models")
            .map(parse::decode);
        let chat = self.method == Method::POST
            && ["/v1/chat/completions", "/openai", "/text"].contains(&self.path.as_str());
        self.record(server, &parsed, prompt.clone());

        if let Some((status, body)) = server.log.scripted() {
            return reply::whole(status, "application/json", body);
        }
        let key = parse::key(&self.headers, &self.query, &self.body);
        let fault = match self.fault(server, &parsed, prompt.as_deref()) {
            Ok(fault) => fault,
            Err(list) => return reply::envelope(400, &list, None),
        };
        if let Some(reply) = self.failure(fault.as_ref(), key.as_deref(), &parsed) {
            return reply;
        }
        if self.method == Method::GET && self.path.ends_with("models") {
            return self.models();
        }
        if !chat && prompt.is_none() {
            return reply::envelope(404, "No such route", None);
        }
        if let Some(wanted) = &server.config.api_key
            && key.as_ref() != Some(wanted)
        {
            let message = match key {
                None => "Authentication required. Please provide an API key.",
                Some(_) => "Invalid API key. The provided key was not recognized.",
            };
            return reply::envelope(401, message, None);
        }
        if malformed {
            return reply::envelope(400, "Malformed JSON in request body", None);
        }
        if chat {
            parsed.check_chat();
        }
        if !parsed.problems.is_empty() {
            return reply::invalid(&parsed.problems);
        }
        if fault.as_ref().is_some_and(|fault| fault.is("form-j")) {
            return chat::notice(&parsed, self.path != "/v1/chat/completions");
        }
        if fault.as_ref().is_some_and(|fault| fault.is("reset")) {
            reset.arm();
        }
        let prompt = prompt.unwrap_or_else(|| parsed.all_text());
        self.generate(server, &parsed, &prompt, fault.as_ref())
            .await
    }

    async fn generate(
        &self,
        server: &Server,
        parsed: &Parsed,
        prompt: &str,
        fault: Option<&Fault>,
    ) -> Reply {
        let delay = fault.filter(|fault| fault.is("delay"));
        let head = delay.map_or(Duration::ZERO, |fault| {
            Duration::from_millis(fault.value("head-ms"))
        });
        let answer = Answer::new(parsed, prompt, fault);
        if parsed.flag("stream") {
            pause(head).await;
            return answer.stream(parsed, fault, &server.config);
        }
        pause(head + server.config.latency).await;
        let json = answer.json();
        let message = &json["choices"][0]["message"];
        let (content_type, body) = if self.path == "/v1/chat/completions" || self.path == "/openai"
        {
            ("application/json", json.to_string())
        } else if message["content"].is_null() {
            ("application/json", message.to_string())
        } else {
            ("text/plain; charset=utf-8", answer.text())
        };
        let body = Bytes::from(body);
        let broken = fault.and_then(|fault| chat::broken_body(&body, fault));
        let mut reply = match broken {
            Some(broken) => reply::with_body(200, content_type, broken),
            None => reply::whole(200, content_type, body),
        };
        answer.headers(&mut reply);
        reply
    }

    /// The fault that this request asks for, or the sandbox's own.
    fn fault(
        &self,
        server: &Server,
        parsed: &Parsed,
        prompt: Option<&str>,
    ) -> Result<Option<Fault>, String> {
        let header = self
            .headers
            .get(FAULT_HEADER)
            .map(|value| value.to_str().unwrap_or("?"));
        let model = parsed
            .text("model")
            .and_then(|model| model.strip_prefix("fault:"));
        let fault = match header.or(model) {
            Some(text) => Some(Fault::parse(text)?),
            None => server.log.fault(),
        };
        Ok(fault.filter(|fault| {
            let asked = prompt.map_or_else(|| parsed.all_text(), str::to_owned);
            let key = format!("{}\n{}\n{asked}", fault.text(), self.path);
            fault.times() == 0 || !server.log.spent(key, fault.times())
        }))
    }

    fn failure(&self, fault: Option<&Fault>, key: Option<&str>, parsed: &Parsed) -> Option<Reply> {
        let fault = fault?;
        let page = fault.is("form-j") && fault.value("status") == 200;
        if page {
            return None;
        }
        let echo = Echo {
            key,
            parameters: Value::Object(parsed.parameters.clone()),
        };
        reply::failure(fault, &echo)
    }

    fn models(&self) -> Reply {
        let pricing = json!({
            "currency": "pollen",
            "promptTextTokens": "0.00000015",
            "completionTextTokens": "0.0000006",
        });
        let names = ["openai", "openai-large", "mistral", "reasoning-small"];
        let reply = if self.path == "/v1/models" {
            let data = names.map(|name| {
                json!({
                    "id": name,
                    "object": "model",
                    "created": 1_795_469_939_000_u64,
                    "input_modalities": ["text"],
                    "output_modalities": ["text"],
                    "supported_endpoints": ["/v1/chat/completions"],
                    "pricing": pricing,
                    "tools": true,
                    "context_length": 128_000,
                })
            });
            json!({ "object": "list", "data": data })
        } else {
            json!(names.map(|name| {
                json!({
                    "name": name,
                    "aliases": [],
                    "description": "A model of the sandbox",
                    "input_modalities": ["text"],
                    "output_modalities": ["text"],
                    "capabilities": ["tool_calling"],
                    "context_length": 128_000,
                    "pricing": pricing,
                })
            }))
        };
        reply::json(200, &reply)
    }

    fn record(&self, server: &Server, parsed: &Parsed, prompt: Option<String>) {
        let hide = |name: &str, value: &str| {
            if parse::is_secret(name) {
                "redacted".to_owned()
            } else {
                value.to_owned()
            }
        };
        let mut body = self.body.clone();
        for (name, value) in body.as_object_mut().into_iter().flatten() {
            if parse::is_secret(name) {
                *value = json!("redacted");
            }
        }
        let headers = self.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), hide(name.as_str(), &value))
        });
        let query = self
            .query
            .iter()
            .map(|(name, value)| (name.clone(), hide(name, value)));
        server.log.record(Recorded {
            method: self.method.to_string(),
            path: self.path.clone(),
            query: query.collect(),
            headers: headers.collect(),
            body,
            prompt: prompt.or_else(|| chat::last_prompt(parsed)),
            parsed: Value::Object(parsed.parameters.clone()),
            dropped: parsed.dropped.clone(),
        });
    }
}

async fn pause(pause: Duration) {
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
}
