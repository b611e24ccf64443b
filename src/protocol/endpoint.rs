use std::{
    error, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use http::Uri;

use super::{Dialect, encode};

/// Where requests go, and in which [`Dialect`].
///
/// The default is the public service, `https://gen.pollinations.ai`. An endpoint is cheap to clone.
///
/// ```
/// use blossom::protocol::{Dialect, Endpoint};
///
/// let endpoint = Endpoint::new(Dialect::Gen, "http://127.0.0.1:8080/proxy/")?;
/// assert_eq!(endpoint.base(), "http://127.0.0.1:8080/proxy");
/// assert!(endpoint.is_loopback());
/// assert!(Endpoint::new(Dialect::Gen, "https://example.com?key=1").is_err());
/// # Ok::<_, blossom::protocol::InvalidEndpoint>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    dialect: Dialect,
    text: Arc<str>,
    image: Arc<str>,
    // Chat is what most calls are: its URI is made once.
    chat: Uri,
    https: bool,
    loopback: bool,
}

impl Endpoint {
    /// The public host of the gen dialect.
    pub const PUBLIC: &str = "https://gen.pollinations.ai";

    /// An endpoint whose every operation lives under `url`.
    ///
    /// `url` is `http` or `https`, a host, maybe a port and a path, which is kept as a prefix; a
    /// slash at the end is dropped. For the enter dialect it ends before `/generate`, for the gen
    /// dialect before `/v1`.
    ///
    /// # Errors
    ///
    /// [`InvalidEndpoint`] says what to change: user names and passwords, queries and fragments
    /// are refused, since keys go in headers only; so are hosts outside ASCII (write them in
    /// punycode, so that two spellings never mean two hosts), and `.` or `..` in the path.
    ///
    /// ```
    /// # use blossom::{Dialect, Endpoint};
    /// let endpoint = Endpoint::new(Dialect::Gen, "HTTPS://Example.com:443/ai/")?;
    /// assert_eq!(endpoint.base(), "https://example.com/ai");
    ///
    /// let error = Endpoint::new(Dialect::Gen, "https://example.com/?key=sk_mine").unwrap_err();
    /// assert!(error.to_string().contains("must not have a query"));
    /// # Ok::<_, blossom::protocol::InvalidEndpoint>(())
    /// ```
    pub fn new(dialect: Dialect, url: &str) -> Result<Self, InvalidEndpoint> {
        let base = Base::parse(url)?;
        Self::from_bases(dialect, &base, &base)
    }

    /// The two public hosts of the v1 dialect, for text and for images.
    ///
    /// ```
    /// # use blossom::Endpoint;
    /// let endpoint = Endpoint::v1();
    /// assert_eq!(endpoint.base(), "https://text.pollinations.ai");
    /// assert_eq!(endpoint.image_base(), "https://image.pollinations.ai");
    /// ```
    #[must_use]
    pub fn v1() -> Self {
        Self {
            dialect: Dialect::V1,
            text: "https://text.pollinations.ai".into(),
            image: "https://image.pollinations.ai".into(),
            chat: Uri::from_static("https://text.pollinations.ai/openai"),
            https: true,
            loopback: false,
        }
    }

    /// The public host of the enter dialect.
    ///
    /// ```
    /// # use blossom::{Dialect, Endpoint};
    /// let endpoint = Endpoint::enter();
    /// assert_eq!(endpoint.base(), "https://enter.pollinations.ai/api");
    /// assert_eq!(endpoint.dialect(), Dialect::Enter);
    /// ```
    #[must_use]
    pub fn enter() -> Self {
        Self {
            dialect: Dialect::Enter,
            text: "https://enter.pollinations.ai/api".into(),
            image: "https://enter.pollinations.ai/api".into(),
            chat: Uri::from_static(
                "https://enter.pollinations.ai/api/generate/v1/chat/completions",
            ),
            https: true,
            loopback: false,
        }
    }

    /// The dialect spoken there.
    ///
    /// ```
    /// # use blossom::{Dialect, Endpoint};
    /// assert_eq!(Endpoint::default().dialect(), Dialect::Gen);
    /// assert_eq!(Endpoint::v1().dialect(), Dialect::V1);
    /// ```
    #[must_use]
    pub const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The base URL, without a slash at the end; for [`Endpoint::v1`] that of the text host.
    ///
    /// ```
    /// # use blossom::{Dialect, Endpoint};
    /// let endpoint = Endpoint::new(Dialect::Gen, "http://127.0.0.1:8080/")?;
    /// assert_eq!(endpoint.base(), "http://127.0.0.1:8080");
    /// # Ok::<_, blossom::protocol::InvalidEndpoint>(())
    /// ```
    #[must_use]
    pub fn base(&self) -> &str {
        &self.text
    }

    /// The base URL of images, which differs from [`base`](Self::base) for [`Endpoint::v1`] only.
    ///
    /// ```
    /// # use blossom::Endpoint;
    /// assert_eq!(Endpoint::default().image_base(), Endpoint::PUBLIC);
    /// assert_eq!(Endpoint::v1().image_base(), "https://image.pollinations.ai");
    /// ```
    #[must_use]
    pub fn image_base(&self) -> &str {
        &self.image
    }

    /// Whether requests are encrypted on the wire.
    ///
    /// ```
    /// # use blossom::{Dialect, Endpoint};
    /// assert!(Endpoint::default().is_https());
    /// assert!(!Endpoint::new(Dialect::Gen, "http://127.0.0.1:8080")?.is_https());
    /// # Ok::<_, blossom::protocol::InvalidEndpoint>(())
    /// ```
    #[must_use]
    pub const fn is_https(&self) -> bool {
        self.https
    }

    /// Whether requests stay on this machine: `localhost` and what is below it, `127.0.0.0/8` or `::1`.
    ///
    /// Decided by the name alone, nothing is resolved.
    ///
    /// ```
    /// # use blossom::{Dialect, Endpoint};
    /// assert!(Endpoint::new(Dialect::Gen, "http://localhost:8080")?.is_loopback());
    /// assert!(!Endpoint::new(Dialect::Gen, "http://192.168.0.7:8080")?.is_loopback());
    /// # Ok::<_, blossom::protocol::InvalidEndpoint>(())
    /// ```
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.loopback
    }

    /// The host and port, for texts.
    pub(crate) fn host(&self) -> &str {
        self.chat
            .authority()
            .map_or("", http::uri::Authority::as_str)
    }

    /// Whether a call without a key is bound to fail: the v1 dialect takes anonymous calls, and
    /// what runs on this machine decides for itself.
    pub(crate) fn needs_key(&self) -> bool {
        self.dialect != Dialect::V1 && !self.loopback
    }

    /// Whether a request is joined to a running one with the same bytes, and billed once: gen says so of
    /// itself; of what else speaks like it nobody knows, but on this machine it costs nothing.
    pub(crate) fn joins_equal_requests(&self) -> bool {
        self.dialect == Dialect::Gen && (self.loopback || &*self.text == Self::PUBLIC)
    }

    pub(super) const fn chat(&self) -> &Uri {
        &self.chat
    }

    fn from_bases(dialect: Dialect, text: &Base, image: &Base) -> Result<Self, InvalidEndpoint> {
        let path = match dialect {
            Dialect::V1 => "/openai",
            Dialect::Enter => "/generate/v1/chat/completions",
            Dialect::Gen => "/v1/chat/completions",
        };
        let chat = format!("{}{path}", text.url);
        Ok(Self {
            dialect,
            chat: Uri::from_maybe_shared(chat).map_err(|_| InvalidEndpoint(Problem::Length))?,
            text: text.url.as_str().into(),
            image: image.url.as_str().into(),
            https: text.https && image.https,
            loopback: text.loopback && image.loopback,
        })
    }
}

impl Default for Endpoint {
    /// The public service: [`Dialect::Gen`] at [`Endpoint::PUBLIC`].
    fn default() -> Self {
        Self {
            dialect: Dialect::Gen,
            text: Self::PUBLIC.into(),
            image: Self::PUBLIC.into(),
            chat: Uri::from_static("https://gen.pollinations.ai/v1/chat/completions"),
            https: true,
            loopback: false,
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A base URL that cannot be used.
///
/// The text says what to change. It never repeats the URL, which may hold a password or a key.
///
/// ```
/// use blossom::{Dialect, Endpoint};
///
/// let error = Endpoint::new(Dialect::Gen, "https://user:secret@example.com").unwrap_err();
/// assert!(!error.to_string().contains("secret"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidEndpoint(Problem);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Problem {
    Scheme,
    Host,
    Port,
    Idn,
    Userinfo,
    Query,
    Fragment,
    Path,
    Length,
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the base URL ")?;
        f.write_str(match self.0 {
            Problem::Scheme => "must start with http:// or https://",
            Problem::Host => "must name a host: a domain name, an IPv4 address, or [IPv6]",
            Problem::Port => "must have a port of 1 to 65535, or none",
            Problem::Idn => "must have an ASCII host: write the name in punycode, as in xn--bcher-kva.example",
            Problem::Userinfo => "must not hold a user name or password: the key is given apart",
            Problem::Query => "must not have a query (?...): the key is given apart, parameters belong to requests",
            Problem::Fragment => "must not have a fragment (#...)",
            Problem::Path => "must have a plain path: no spaces, no backslashes, no empty, \".\" or \"..\" parts, other characters percent-encoded",
            Problem::Length => "must have at most 1024 characters",
        })
    }
}

impl error::Error for InvalidEndpoint {}

/// A checked base URL: scheme and host in lower case, no default port, no slash at the end.
struct Base {
    url: String,
    https: bool,
    loopback: bool,
}

impl Base {
    fn parse(url: &str) -> Result<Self, InvalidEndpoint> {
        Self::parse_parts(url.trim()).map_err(InvalidEndpoint)
    }

    fn parse_parts(url: &str) -> Result<Self, Problem> {
        if url.len() > MAX_BASE {
            return Err(Problem::Length);
        }
        let (scheme, rest) = url.split_once("://").ok_or(Problem::Scheme)?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(Problem::Scheme),
        };
        // A fragment may hold a question mark, but not the other way round.
        if rest.contains('#') {
            return Err(Problem::Fragment);
        }
        if rest.contains('?') {
            return Err(Problem::Query);
        }
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        if authority.contains('@') {
            return Err(Problem::Userinfo);
        }
        let (host, loopback, port) = split_authority(authority)?;
        let path = path.trim_end_matches('/');
        if !is_plain_path(path) {
            return Err(Problem::Path);
        }

        let scheme = if https { "https" } else { "http" };
        let port = match (https, port) {
            (_, None) | (true, Some(443)) | (false, Some(80)) => String::new(),
            (_, Some(port)) => format!(":{port}"),
        };
        Ok(Self {
            url: format!("{scheme}://{host}{port}{path}"),
            https,
            loopback,
        })
    }
}

/// Host in lower case, whether it is this machine, and the port.
fn split_authority(authority: &str) -> Result<(String, bool, Option<u16>), Problem> {
    if !authority.is_ascii() {
        return Err(Problem::Idn);
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, after) = rest.split_once(']').ok_or(Problem::Host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| Problem::Host)?;
        let port = match after.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if after.is_empty() => None,
            None => return Err(Problem::Host),
        };
        let loopback = match address.to_ipv4_mapped() {
            Some(mapped) => mapped.is_loopback(),
            None => address.is_loopback(),
        };
        return Ok((format!("[{address}]"), loopback, port));
    }

    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(parse_port(port)?)),
        None => (authority, None),
    };
    let host = host.to_ascii_lowercase();
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok((host, IpAddr::V4(address).is_loopback(), port));
    }
    if !is_domain(&host) {
        return Err(Problem::Host);
    }
    let loopback = host == "localhost" || host.ends_with(".localhost");
    Ok((host, loopback, port))
}

fn parse_port(port: &str) -> Result<u16, Problem> {
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Problem::Port);
    }
    match port.parse() {
        Ok(0) | Err(_) => Err(Problem::Port),
        Ok(port) => Ok(port),
    }
}

fn is_domain(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.len() <= 253
        && host.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        })
}

/// Whether every part of `path` (which is empty or starts with a slash) means itself.
fn is_plain_path(path: &str) -> bool {
    let Some(parts) = path.strip_prefix('/') else {
        return path.is_empty();
    };
    parts.split('/').all(|part| {
        let plain = part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&byte));
        plain
            && encode::is_percent_encoded(part)
            && !matches!(
                encode::decode_segment(part).as_deref(),
                None | Some("" | "." | "..")
            )
    })
}

/// Far more than any base needs, and far less than what a URI can hold.
const MAX_BASE: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Result<String, String> {
        Endpoint::new(Dialect::Gen, url)
            .map(|endpoint| endpoint.base().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn k2_normalises_what_means_the_same() {
        for (given, kept) in [
            ("https://Example.COM", "https://example.com"),
            ("HTTPS://example.com/", "https://example.com"),
            ("https://example.com:443/api//", "https://example.com/api"),
            ("http://example.com:80", "http://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            (
                " https://example.com/a%20b/c ",
                "https://example.com/a%20b/c",
            ),
            ("http://[::1]:8080/x/", "http://[::1]:8080/x"),
            ("http://[2001:DB8:0::1]", "http://[2001:db8::1]"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
        ] {
            assert_eq!(base(given).as_deref(), Ok(kept), "{given}");
        }
    }

    #[test]
    fn k2_refuses_with_a_text_that_says_what_to_change() {
        for (given, word) in [
            ("https://me:secret@example.com", "password"),
            ("https://secret@example.com", "password"),
            ("https://example.com?key=secret", "query"),
            ("https://example.com/?", "query"),
            ("https://example.com/#secret", "fragment"),
            ("https://example.com#a?b", "fragment"),
            ("https://bücher.example", "punycode"),
            ("https://еxample.com", "punycode"),
            ("ftp://example.com", "http://"),
            ("example.com", "http://"),
            ("file:///etc/passwd", "http://"),
            ("javascript:alert(1)", "http://"),
            ("https://", "host"),
            ("https:///path", "host"),
            ("https://a..b", "host"),
            ("https://a b", "host"),
            ("https://a\r\nx: y", "port"),
            ("https://a\\b", "host"),
            ("https://[::1", "host"),
            ("https://[::1]x", "host"),
            ("https://[fe80::1%25eth0]", "host"),
            ("https://::1", "port"),
            ("https://example.com:0", "port"),
            ("https://example.com:", "port"),
            ("https://example.com:65536", "port"),
            ("https://example.com:+80", "port"),
            ("https://example.com/a/../b", "path"),
            ("https://example.com/%2e%2E/b", "path"),
            ("https://example.com/a//b", "path"),
            ("https://example.com/a b", "path"),
            ("https://example.com/a\\b", "path"),
            ("https://example.com/%zz", "path"),
            ("https://example.com/ü", "path"),
        ] {
            let error = base(given).unwrap_err();
            assert!(error.contains(word), "{given}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
        assert!(base(&format!("https://example.com/{}", "a".repeat(2000))).is_err());
    }

    #[test]
    fn k2_knows_this_machine_by_its_names_only() {
        for (url, expected) in [
            ("http://localhost:1", true),
            ("http://text.localhost", true),
            ("http://127.8.9.1", true),
            ("http://[::1]", true),
            ("http://[::ffff:127.0.0.1]", true),
            ("http://127.1", false),
            ("http://2130706433", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("http://10.0.0.1", false),
            ("http://[::]", false),
        ] {
            let endpoint = Endpoint::new(Dialect::Gen, url).unwrap();
            assert_eq!(endpoint.is_loopback(), expected, "{url}");
        }
    }

    #[test]
    fn the_public_endpoints_are_what_parsing_their_bases_gives() {
        let parsed = Endpoint::new(Dialect::Gen, Endpoint::PUBLIC).unwrap();
        assert_eq!(Endpoint::default(), parsed);

        let parsed = Endpoint::new(Dialect::Enter, Endpoint::enter().base()).unwrap();
        assert_eq!(Endpoint::enter(), parsed);

        let v1 = Endpoint::v1();
        let text = Base::parse(v1.base()).unwrap_or_else(|error| panic!("{error}"));
        let image = Base::parse(v1.image_base()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Endpoint::from_bases(Dialect::V1, &text, &image), Ok(v1));
    }
}
