use http::{HeaderValue, Method, header::ACCEPT_LANGUAGE};

use super::*;
use crate::{
    body::ReqBody,
    cache::key::canonical_json,
    types::{Owner, Scope, ScopeDigest, Tenant},
};

const BODY: &str = r#"{"model":"openai","messages":[{"role":"user","content":"Hi"}],"seed":1}"#;

fn chat(body: &str) -> Request<ReqBody> {
    Request::post("https://Example.com/v1/chat?a=1&b=2")
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "application/json")
        .body(ReqBody::from(body.to_owned()))
        .unwrap()
}

fn policy() -> CanonicalKey {
    CanonicalKey::new().ignoring(["key", "token", "no-cache"])
}

fn key(request: &Request<ReqBody>) -> Option<CacheKey> {
    policy().key(request)
}

#[test]
fn a1_two_tenants_never_share_unless_the_scope_says_so() {
    let mut requests = [chat(BODY), chat(BODY)];
    for (request, tenant) in requests.iter_mut().zip(["a", "b"]) {
        request.extensions_mut().insert(Tenant::new(tenant));
    }
    let scoped = |scope: &Scope| {
        let keys = requests.each_ref().map(|request| {
            let owner = scope.owner(request).unwrap();
            ScopeDigest::of(owner).scoped(&key(request).unwrap())
        });
        keys[0] == keys[1]
    };

    assert!(!scoped(&Scope::tenant()));
    assert!(scoped(&Scope::shared()));
}

#[test]
fn a2_requests_whose_keys_were_made_to_collide_differ_in_their_checks() {
    let one = key(&chat(BODY)).unwrap();
    let other = key(&chat(r#"{"model":"other"}"#)).unwrap();
    let collide = |key: CacheKey| CacheKey::new([0; 32]).with_check(*key.check());

    assert_ne!(collide(one), collide(other));
    let scope = ScopeDigest::of(Owner::Shared);
    assert_ne!(scope.scoped(&collide(one)), scope.scoped(&collide(other)));
}

#[test]
fn policies_that_ignore_other_names_share_nothing_in_one_tier() {
    let asked = chat(r#"{"model":"openai"}"#);
    let ignored = chat(r#"{"model":"openai","user":"me"}"#);
    let strict = CanonicalKey::new();
    let lenient = CanonicalKey::new().ignoring(["user"]);

    assert_eq!(lenient.key(&asked), lenient.key(&ignored));
    assert_ne!(strict.key(&asked), lenient.key(&asked));
    assert_ne!(strict.key(&asked), lenient.key(&ignored));
}

#[test]
fn a3_order_white_space_escapes_and_number_forms_do_not_matter() {
    let same = chat(
        r#" {"seed": 1.0, "messages": [ {"content": "\u0048i", "role": "user"} ],
            "model": "openai", "key": "secret"} "#,
    );

    assert_eq!(key(&same), key(&chat(BODY)));
    assert!(key(&same).is_some());
}

#[test]
fn a3_what_readers_disagree_on_has_no_key() {
    for body in [r#"{"a":1,"a":2}"#, r#"{"a":"#, "{\"a\":\"\u{1}\"}"] {
        assert_eq!(key(&chat(body)), None, "{body}");
    }
}

/// Every two of these requests have to differ.
fn assert_apart(requests: &[Request<ReqBody>]) {
    let keys: Vec<_> = requests
        .iter()
        .map(|request| key(request).unwrap())
        .collect();
    for (number, one) in keys.iter().enumerate() {
        let same = keys.iter().skip(number + 1).position(|other| one == other);
        assert_eq!(same, None, "{:?}", requests[number]);
    }
}

#[test]
fn a4_requests_that_differ_in_any_part_of_the_address_never_share() {
    let addresses = [
        "https://example.com/v1/chat?a=1&b=2",
        "http://example.com/v1/chat?a=1&b=2",
        "https://example.org/v1/chat?a=1&b=2",
        "https://example.com:8443/v1/chat?a=1&b=2",
        "https://me@example.com/v1/chat?a=1&b=2",
        "https://Me@example.com/v1/chat?a=1&b=2",
        "https://example.com/v2/chat?a=1&b=2",
        "https://example.com/v1/chat/?a=1&b=2",
        "https://example.com/v1/chat?a=1",
        "https://example.com/v1/chat?a=1&b=3",
        "https://example.com/v1/chat?a=1&b=2&api-version=2",
    ];
    let requests = addresses.map(|uri| {
        let mut request = chat(BODY);
        *request.uri_mut() = uri.parse().unwrap();
        request
    });
    assert_apart(&requests);
}

#[test]
fn a4_requests_that_differ_in_method_or_headers_never_share() {
    let mut requests = vec![chat(BODY), chat(BODY)];
    *requests[1].method_mut() = Method::PUT;
    for (name, value) in [
        (ACCEPT, "text/event-stream"),
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (CONTENT_ENCODING, "gzip"),
        (HOST, "elsewhere"),
    ] {
        let mut request = chat(BODY);
        request
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        requests.push(request);
    }
    assert_apart(&requests);
}

#[test]
fn a4_requests_that_differ_in_any_parameter_never_share() {
    let parameters = [
        r#""min_p":0.1"#,
        r#""min_p":0.2"#,
        r#""top_k":1"#,
        r#""seed":1"#,
        r#""seed":2"#,
        r#""seed":"1""#,
        r#""temperature":0"#,
        r#""tools":[]"#,
        r#""tools":null"#,
        r#""tools":[{"type":"function"}]"#,
        r#""tools":[{"type":"function","function":{"name":"f"}}]"#,
        r#""stream":true"#,
        r#""stream":true,"stream_options":{"include_usage":true}"#,
        r#""user":"me""#,
        r#""Key":1"#,
        r#""nested":{"key":1}"#,
        r#""nested":{"key":2}"#,
    ];
    let bodies = parameters.map(|parameter| chat(&format!(r#"{{"model":"a",{parameter}}}"#)));
    let models = ["a", "b"].map(|model| chat(&format!(r#"{{"model":"{model}"}}"#)));
    assert_apart(&bodies.into_iter().chain(models).collect::<Vec<_>>());
}

#[test]
fn a4_headers_that_are_not_named_do_not_matter_and_those_that_are_do() {
    let mut german = chat(BODY);
    german
        .headers_mut()
        .insert(ACCEPT_LANGUAGE, HeaderValue::from_static("de"));
    let covering = policy().header(ACCEPT_LANGUAGE);

    assert_eq!(key(&german), key(&chat(BODY)));
    assert_ne!(covering.key(&german), covering.key(&chat(BODY)));
    assert!(KeyPolicy::<ReqBody>::covers(&covering, &ACCEPT_LANGUAGE));
    assert!(!KeyPolicy::<ReqBody>::covers(&policy(), &ACCEPT_LANGUAGE));
}

#[test]
fn a5_credentials_in_a_query_or_a_body_do_not_change_the_key() {
    let mut request = chat(&BODY.replacen('{', r#"{"token":"secret","#, 1));
    *request.uri_mut() = "https://example.com/v1/chat?key=secret&b=2&no-cache=1&a=1"
        .parse()
        .unwrap();

    assert_eq!(key(&request), key(&chat(BODY)));
}

#[test]
fn a_body_said_to_be_canonical_has_the_key_that_it_has_anyway() {
    let canonical = canonical_json(BODY.as_bytes()).unwrap();
    let marked = chat("").map(|_| ReqBody::canonical_json(canonical.into()));

    assert_eq!(key(&marked), key(&chat(BODY)));
}

#[test]
fn a_request_that_comes_again_has_the_same_key_and_clones_remember_it() {
    let policy = policy();
    let first = policy.key(&chat(BODY));

    for _ in 0..3 {
        assert_eq!(policy.key(&chat(BODY)), first);
        assert_eq!(policy.clone().key(&chat(BODY)), first);
    }
    assert_eq!(policy.memo_bytes(0).key(&chat(BODY)), first);
}

#[test]
fn settings_are_not_forgotten_for_what_was_seen_before() {
    let policy = policy();
    let body = BODY.replacen('{', r#"{"user":"me","#, 1);
    let before = policy.key(&chat(&body));

    assert_ne!(policy.ignoring(["user"]).key(&chat(&body)), before);
}

#[test]
fn users_can_add_to_the_key() {
    let version = |version: &'static str| {
        let added = move |_: &Request<ReqBody>| Some(Bytes::from_static(version.as_bytes()));
        policy().adding(added).key(&chat(BODY))
    };

    assert_eq!(version("1"), version("1"));
    assert_ne!(version("1"), version("2"));
    assert_ne!(version(""), key(&chat(BODY)));
}

#[test]
fn a_body_that_is_not_json_counts_byte_for_byte() {
    let form = |body: &str| {
        let mut request = chat(body);
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        key(&request).unwrap()
    };

    assert_ne!(form("a=1&b=2"), form("b=2&a=1"));
    assert_ne!(form("1"), form("1.0"));
    assert_eq!(form("1"), form("1"));
}

#[test]
fn a_body_that_is_not_known_has_no_key() {
    let body = ReqBody::stream(crate::test_util::ScriptedBody::new().data("{}"));

    assert_eq!(key(&chat(BODY).map(|_| body)), None);
}

#[test]
fn keys_are_the_same_in_every_process() {
    // What is on a disk was written by another one. A short text and a long one are hashed differently.
    let long = BODY.replace("Hi", &"Hi ".repeat(2000));
    let keys = [BODY, &long].map(|body| key(&chat(body)).unwrap().to_string());

    assert_eq!(
        keys[0],
        "7310407f431ee80d1f679c9a6b314a8acc836bada2672db1572a82e0f5b4d7cc"
    );
    assert_eq!(
        keys[1],
        "a9ad7b266a65cbe6d33c93fc7c422cbcf8fe941b489b092d463cc3c9b30892c8"
    );
}

#[test]
fn p5_texts_of_the_json_canonicalization_scheme_have_the_form_that_it_says() {
    // Texts in the manner of RFC 8785, with the forms that it gives.
    for (text, form) in [
        (
            r#"{"numbers": [1E30, 4.50, 2e-3, 0.000000000000000000000000001], "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"#,
            r#"{"literals":[null,true,false],"numbers":[1e30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}"#,
        ),
        (
            r#"{"1": {"f": {"f": "hi","F": 5} ,"\n": 56.0}, "10": { }, "": "empty", "a": { }, "A": { }}"#,
            r#"{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"A":{},"a":{}}"#,
        ),
        (
            r#"[ 56, { "d": true, "10": null, "1": [ ] } ]"#,
            r#"[56,{"1":[],"10":null,"d":true}]"#,
        ),
        (
            r#"{"Unnormalized Unicode":"A\u030a"}"#,
            "{\"Unnormalized Unicode\":\"A\u{30a}\"}",
        ),
    ] {
        assert_eq!(
            String::from_utf8(canonical_json(text.as_bytes()).unwrap()).unwrap(),
            form
        );
    }
}
