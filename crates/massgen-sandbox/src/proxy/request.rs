//! The head of a request to the proxy, and what it asks for.

use crate::hosts::Target;

/// Headers at most in a request.
const HEADERS: usize = 100;

/// Headers that hold for one connection only, or are for the proxy.
const OF_THE_CONNECTION: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "upgrade",
];

/// What a command asks the proxy for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Request {
    /// A connection that it speaks through by itself.
    Tunnel(Target),
    /// One request of plain HTTP.
    Plain(Plain),
}

/// A request that is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) target: Target,
    /// Its head as the server gets it.
    pub(super) head: String,
    /// Bytes of its body.
    pub(super) body: u64,
}

/// Why a request is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status of the answer and its name.
    pub(super) status: &'static str,
    pub(super) why: String,
}

impl Refusal {
    /// The status of what the command may not reach.
    pub(super) const FORBIDDEN: &str = "403 Forbidden";

    pub(super) fn bad(why: &str) -> Self {
        Self { status: "400 Bad Request", why: why.to_owned() }
    }

    pub(super) fn forbidden(why: String) -> Self {
        Self { status: Self::FORBIDDEN, why }
    }

    pub(super) fn unreachable(why: String) -> Self {
        Self { status: "502 Bad Gateway", why }
    }
}

/// Reads the head of a request to the proxy, with the blank line at its end.
pub(super) fn read(head: &[u8]) -> Result<Request, Refusal> {
    let head = Head::read(head)?;
    if head.method == "CONNECT" {
        let target = Target::from_text(head.target, None).map_err(Refusal::bad)?;
        if let Some(host) = head.one("host")? {
            same(&target, host, target.port)?;
        }
        return Ok(Request::Tunnel(target));
    }
    let scheme = head.target.split_at_checked("http://".len());
    let (_, rest) = scheme.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http://")).ok_or_else(|| {
        Refusal::bad("a proxy wants `CONNECT host:port`, or a whole address with `http://`")
    })?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let target = Target::from_text(authority, Some(80)).map_err(Refusal::bad)?;
    head.plain(target, path).map(Request::Plain)
}

/// Reads the head of a request inside a tunnel to `target`, where only requests to that server have a place.
pub(super) fn read_inside(head: &[u8], target: &Target) -> Result<Plain, Refusal> {
    let head = Head::read(head)?;
    if head.method == "CONNECT" || !head.target.starts_with('/') {
        return Err(Refusal::bad("a tunnel leads to its server and not on to others"));
    }
    head.plain(target.clone(), head.target)
}

/// Refuses a host that is not that of `target`.
pub(super) fn same(target: &Target, host: &str, usual: u16) -> Result<(), Refusal> {
    match Target::from_text(host, Some(usual)) {
        Ok(named) if named == *target => Ok(()),
        Ok(_) | Err(_) => {
            Err(Refusal::forbidden(format!("the request goes to `{target}` and names another host")))
        }
    }
}

struct Head<'a> {
    method: &'a str,
    target: &'a str,
    headers: Vec<(String, &'a str)>,
}

impl<'a> Head<'a> {
    /// Reads strictly: what two readers could understand in two ways is refused.
    fn read(head: &'a [u8]) -> Result<Self, Refusal> {
        let is_text = |byte: &u8| matches!(byte, b'\t' | b'\r' | b'\n' | 0x20..=0x7E | 0x80..=0xFF);
        let text = std::str::from_utf8(head).ok().filter(|text| text.as_bytes().iter().all(is_text));
        let text = text.ok_or_else(|| Refusal::bad("the head of the request is no text"))?;
        let text = text.strip_suffix("\r\n\r\n").unwrap_or(text);
        let mut lines = text.split("\r\n");
        let first = lines.next().unwrap_or_default();
        let mut words = first.split(' ');
        let (method, target, version) = (words.next(), words.next(), words.next());
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (method, target, version, words.next())
        else {
            return Err(Refusal::bad("the first line is no request of HTTP/1.1"));
        };
        if !is_token(method) || target.is_empty() || first.contains(['\r', '\n', '\t']) || !target.is_ascii()
        {
            return Err(Refusal::bad("the first line is no request of HTTP/1.1"));
        }
        let mut headers = Vec::new();
        for line in lines {
            let header = line.split_once(':').filter(|(name, _)| is_token(name));
            let Some((name, value)) = header.filter(|_| !line.contains(['\r', '\n'])) else {
                return Err(Refusal::bad("a header is not well made"));
            };
            headers.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])));
        }
        if headers.len() > HEADERS {
            return Err(Refusal::bad("there are too many headers"));
        }
        Ok(Self { method, target, headers })
    }

    /// The value of a header that may stand there once.
    fn one(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.headers.iter().filter(|(other, _)| other == name).map(|(_, value)| *value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Refusal::bad("a header that may stand there once stands there twice")),
        }
    }

    /// The one request that is passed on to `target`, and nothing after it.
    fn plain(&self, target: Target, path: &str) -> Result<Plain, Refusal> {
        if let Some(host) = self.one("host")? {
            same(&target, host, 80)?;
        }
        if self.headers.iter().any(|(name, _)| name == "transfer-encoding") {
            let why = "the body of a request needs a `Content-Length`".to_owned();
            return Err(Refusal { status: "411 Length Required", why });
        }
        let length = self.one("content-length")?.unwrap_or("0");
        let is_number = length.bytes().all(|byte| byte.is_ascii_digit());
        let body = length.parse().ok().filter(|_| is_number);
        let body = body.ok_or_else(|| Refusal::bad("the length of the body is no number"))?;
        let named = self.headers.iter().filter(|(name, _)| name == "connection");
        let named: Vec<String> = named
            .flat_map(|(_, value)| value.split(','))
            .map(|name| name.trim().to_ascii_lowercase())
            .collect();
        // What frames and directs the request stays, whatever it says of itself.
        let is_kept = |name: &String| {
            !OF_THE_CONNECTION.contains(&name.as_str()) && (name == "content-length" || !named.contains(name))
        };
        let path = match path.as_bytes().first() {
            Some(b'/') => path.to_owned(),
            Some(_) | None => format!("/{path}"),
        };
        let host = if target.port == 80 {
            let text = target.to_string();
            text.strip_suffix(":80").unwrap_or(&text).to_owned()
        } else {
            target.to_string()
        };
        let mut head = format!("{} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n", self.method);
        for (name, value) in self.headers.iter().filter(|(name, _)| name != "host" && is_kept(name)) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        Ok(Plain { target, head, body })
    }
}

fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
