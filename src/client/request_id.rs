//! The id that a call bears.

use http::{HeaderMap, HeaderName, HeaderValue, Request, response::Parts};

use crate::{Error, layers::body::ReqBody, protocol};

/// The id of one call: one that the caller gave, or a random one. A number, so that keeping it for an
/// error that may never come costs nothing.
#[derive(Debug, Clone)]
pub(super) enum RequestId {
    Given(Box<HeaderValue>),
    Random(u128),
}

impl RequestId {
    /// The id that `request` bears, or one that it bears from now on.
    pub(super) fn of(request: &mut Request<ReqBody>) -> Self {
        if let Some(given) = request.headers().get(&X_REQUEST_ID) {
            return Self::Given(Box::new(given.clone()));
        }
        let id = Self::Random(fastrand::u128(..));
        id.write(request.headers_mut());
        id
    }

    /// The upstream's own name for the request goes before it.
    pub(super) fn name_reply(&self, head: &mut Parts) {
        if protocol::request_id(&head.headers).is_none() {
            self.write(&mut head.headers);
        }
    }

    pub(super) fn name_error(&self, error: Error) -> Error {
        if error.request_id().is_some() {
            return error;
        }
        let id = match self {
            Self::Given(value) => value.to_str().ok().map(str::to_owned),
            Self::Random(id) => Some(text(*id)),
        };
        error.with_request_id(id)
    }

    fn write(&self, headers: &mut HeaderMap) {
        let value = match self {
            Self::Given(value) => Ok((**value).clone()),
            Self::Random(id) => HeaderValue::try_from(text(*id)),
        };
        if let Ok(value) = value {
            headers.insert(X_REQUEST_ID, value);
        }
    }
}

fn text(id: u128) -> String {
    format!("{id:032x}")
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;
    use crate::ErrorKind;

    fn head() -> Parts {
        Response::new(()).into_parts().0
    }

    #[test]
    fn a_call_gets_an_id_unless_it_bears_one() {
        let mut request = Request::new(ReqBody::empty());
        let id = RequestId::of(&mut request);
        let sent = request.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
        assert_eq!(sent.len(), 32);
        let error = id.name_error(Error::new(ErrorKind::Connect, "refused"));
        assert_eq!(error.request_id(), Some(&*sent));
        let mut reply = head();
        id.name_reply(&mut reply);
        assert_eq!(reply.headers[X_REQUEST_ID], *sent);

        let again = RequestId::of(&mut request);
        assert!(matches!(again, RequestId::Given(_)));
        assert_eq!(request.headers()[X_REQUEST_ID], *sent);
        let error = again.name_error(Error::new(ErrorKind::Connect, "refused"));
        assert_eq!(error.request_id(), Some(&*sent));
    }

    #[test]
    fn the_upstreams_name_goes_before() {
        let mut reply = head();
        let theirs = HeaderValue::from_static("theirs");
        reply.headers.insert("cf-ray", theirs);
        RequestId::Random(7).name_reply(&mut reply);
        assert_eq!(protocol::request_id(&reply.headers), Some("theirs"));
        let error = Error::new(ErrorKind::Upstream, "no").with_request_id(Some("theirs".into()));
        let error = RequestId::Random(7).name_error(error);
        assert_eq!(error.request_id(), Some("theirs"));
    }
}
