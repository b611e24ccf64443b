//! From a request to its answer.

use std::time::Duration;

use http::{HeaderMap, Method, Request, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{
    body::{Flight, StepBody},
    cache, chat,
    encode::{self, Encoding},
    fault::{self, Fault, is},
    generation::Generation,
    log::Recorded,
    make::Job,
    models,
    parse::{self, Parsed},
    reply::{self, Echo, Reply},
    route::{self, NoRoute, Operation, Route},
    server::{Server, Wire},
};

/// The largest request body, as the service has it.
const MAX_BODY: usize = 20 * 1024 * 1024;

/// How long an upload that was answered early may go on.
const LINGER: Duration = Duration::from_secs(1);

const FAULT_HEADER: &str = "x-sandbox-fault";

/// A request whose body has been read.
struct Asked {
    method: Method,
    path: String,
    host: String,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    body: Value,
    malformed: bool,
}

pub(super) async fn answer(server: Server, request: Request<Incoming>, wire: Wire) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    if let Some(control) = path.strip_prefix("/__sandbox/") {
        return self::control(&server, &head.method, control);
    }
    let flight = Flight::begin(&server.log);
    if let Some(reply) = early(&head.headers, &body) {
        linger(body);
        return finish(reply, flight);
    }
    let Ok(bytes) = Limited::new(body, MAX_BODY).collect().await else {
        return finish(reply::envelope(413, "Body too large", None), flight);
    };
    let bytes = bytes.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let asked = Asked {
        path: path.to_owned(),
        host: host(&head),
        query: parse::query(&head.uri),
        malformed: body.is_null() && !bytes.is_empty(),
        method: head.method,
        headers: head.headers,
        body,
    };
    let reply = asked.answer(&server, &wire).await;
    finish(reply, flight)
}

/// The answer that does not wait for the request's body.
fn early(headers: &HeaderMap, body: &Incoming) -> Option<Reply> {
    let asked = headers
        .get(FAULT_HEADER)
        .and_then(|fault| fault.to_str().ok());
    let fault = asked.and_then(|text| Fault::parse(text).ok());
    if let Some(fault) = fault.filter(|fault| fault.is("early")) {
        let status = u16::try_from(fault.value("status")).unwrap_or(413);
        return Some(reply::envelope(status, "No need to send the rest", None));
    }
    let large = body.size_hint().lower() > MAX_BODY as u64;
    large.then(|| reply::envelope(413, "Body too large", None))
}

/// Reads on for a while, as servers do who close: else the connection would be reset, and the
/// answer with it.
#[expect(
    clippy::disallowed_methods,
    reason = "a server of its own, on a runtime of its own"
)]
fn linger(mut body: Incoming) {
    let drain = async move { while let Some(Ok(_)) = body.frame().await {} };
    tokio::task::spawn(tokio::time::timeout(LINGER, drain));
}

/// The host that was asked, as HTTP/1 or HTTP/2 tell it.
fn host(head: &http::request::Parts) -> String {
    let header = head
        .headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    header.or(authority).unwrap_or_default().to_owned()
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
    async fn answer(&self, server: &Server, wire: &Wire) -> Reply {
        let route = match route::find(&self.method, &self.host, &self.path) {
            Ok(route) => route,
            Err(none) => {
                self.record(server, None, &Parsed::default());
                return no_route(none);
            }
        };
        let parsed = Parsed::new(&route, &self.headers, &self.query, &self.body);
        self.record(server, Some(&route), &parsed);
        if let Some((status, body)) = server.log.scripted() {
            return reply::whole(status, "application/json", body);
        }
        let prompt = parsed.prompt(&route);
        let fault = match self.fault(server, &parsed, &prompt) {
            Ok(fault) => fault,
            Err(list) => return reply::envelope(400, &list, None),
        };
        let fault = fault.as_ref();
        let key = parse::key(&self.headers, &self.query, &self.body);
        if let Some(reply) = failure(fault, key.as_deref(), &parsed) {
            return reply;
        }
        if is(fault, "bomb") {
            let accepted = Encoding::accepted(&self.headers);
            return encode::bomb(accepted, fault.map_or(1, |fault| fault.value("mib")));
        }
        let reply = match listed(&route, &parsed) {
            Some(reply) => reply,
            None => {
                let job = Job {
                    route: &route,
                    parsed: &parsed,
                    prompt: &prompt,
                    host: &self.host,
                    fault,
                };
                self.generated(server, wire, &job, key.as_deref()).await
            }
        };
        let encoding = Encoding::accepted(&self.headers);
        match encoding.filter(|_| server.config.compress || is(fault, "compress")) {
            Some(encoding) => encode::encode(reply, encoding),
            None => reply,
        }
    }

    /// The answer to a request that costs something: checked in the service's order.
    async fn generated(
        &self,
        server: &Server,
        wire: &Wire,
        job: &Job<'_>,
        key: Option<&str>,
    ) -> Reply {
        let cached = server.config.server_cache || is(job.fault, "server-cache");
        let harmless = job.fault.is_none_or(Fault::is_harmless);
        let fresh = self.wants_fresh();
        let identity = (cached && harmless && !self.malformed).then(|| self.identity());
        // What is kept is given before the key is looked at.
        if let Some(identity) = identity.as_deref().filter(|_| !fresh)
            && let Some(kept) = server.cache.kept(identity)
        {
            return kept.reply(identity);
        }
        if let Some(reply) = self.invalid(server, job.route, key, job.parsed) {
            return reply;
        }
        let text = matches!(job.route.operation, Operation::Chat | Operation::Text(_));
        if is(job.fault, "form-j") && text {
            return chat::notice(job.parsed, job.is_plain());
        }
        if is(job.fault, "reset") {
            wire.reset();
        }
        if let Some(fault) = job.fault.filter(|fault| fault.is("slow-head")) {
            wire.dribble_head(fault.value("byte-ms"));
        }
        let bucket = key.filter(|key| key.starts_with("pk_"));
        if let Some(seconds) = bucket.and_then(|key| server.limits.wait(key)) {
            return reply::used_up(429, seconds);
        }
        let unpaid = server.config.unpaid || is(job.fault, "unpaid");
        let slot = unpaid.then(|| server.limits.slot(key.unwrap_or_default()));
        if let Some(None) = slot {
            return reply::busy(429);
        }
        let generation = Generation {
            server,
            job,
            bucket,
            identity: identity.as_deref(),
            fresh,
        };
        let reply = generation.reply().await;
        reply.map(|body| body.slot(slot.flatten()))
    }

    /// What tells this request apart in the service's cache.
    fn identity(&self) -> String {
        let safe = self
            .headers
            .get("pollinations-safe")
            .and_then(|safe| safe.to_str().ok());
        let safe = safe.unwrap_or_default();
        cache::key(&self.method, &self.path, &self.query, &self.body, safe)
    }

    /// Whether the caller wants no answer from the cache.
    fn wants_fresh(&self) -> bool {
        let asked = self.query.iter().any(|(name, value)| {
            name == "no-cache" && !["false", "0", "no"].contains(&value.as_str())
        });
        asked || self.body["no-cache"] == true
    }

    /// What is wrong with a request that is to generate.
    fn invalid(
        &self,
        server: &Server,
        route: &Route,
        key: Option<&str>,
        parsed: &Parsed,
    ) -> Option<Reply> {
        let wanted = server.config.api_key.as_deref();
        if wanted.is_some() && route.operation.generates() && key != wanted {
            let message = match key {
                None => "Authentication required. Please provide an API key.",
                Some(_) => "Invalid API key. The provided key was not recognized.",
            };
            return Some(reply::envelope(401, message, None));
        }
        if self.malformed {
            return Some(reply::envelope(400, "Malformed JSON in request body", None));
        }
        (!parsed.problems.is_empty()).then(|| reply::invalid(&parsed.problems))
    }

    /// The fault that this request asks for, or the sandbox's own.
    fn fault(
        &self,
        server: &Server,
        parsed: &Parsed,
        prompt: &str,
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
            let key = format!("{}\n{}\n{prompt}", fault.text(), self.path);
            fault.times() == 0 || !server.log.spent(key, fault.times())
        }))
    }

    fn record(&self, server: &Server, route: Option<&Route>, parsed: &Parsed) {
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
            dialect: route.map(|route| route.dialect.name()),
            operation: route.map(|route| route.operation.name()),
            query: query.collect(),
            headers: headers.collect(),
            body,
            prompt: route.and_then(|route| parsed.last_prompt(route)),
            parsed: Value::Object(parsed.parameters.clone()),
            dropped: parsed.dropped.clone(),
        });
    }
}

fn no_route(none: NoRoute) -> Reply {
    match none {
        NoRoute::Unknown => reply::envelope(404, "No such route", None),
        NoRoute::Method(allowed) => {
            let mut reply = reply::envelope(405, "This route takes another method", None);
            reply::set(&mut reply, "allow", allowed);
            reply
        }
    }
}

/// The reply that a fault puts in place of the answer.
fn failure(fault: Option<&Fault>, key: Option<&str>, parsed: &Parsed) -> Option<Reply> {
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

/// The answers that cost nothing.
fn listed(route: &Route, parsed: &Parsed) -> Option<Reply> {
    let Operation::Models(list) = route.operation else {
        return None;
    };
    let list = models::list(list, parsed.flag("community"));
    Some(reply::json(200, &list))
}
