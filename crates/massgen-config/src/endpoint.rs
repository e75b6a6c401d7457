//! Addresses of services: the little of a URL that decides where a key may go.

use std::net::{Ipv4Addr, Ipv6Addr};

use massgen_protocol::spec::Protocol;

/// An address of a service, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// The address as it is used, without a slash at the end.
    pub(crate) url: String,
    /// Host in lower case, without port and brackets.
    pub(crate) host: String,
    /// Whether what is sent can be read on the way.
    pub(crate) transport: Transport,
}

/// How what is sent travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// Over TLS.
    Secure,
    /// Readable.
    Open,
}

impl Endpoint {
    /// Takes `text` apart, or says why it is no address, as the end of a sentence that begins with the address.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (transport, rest) = if let Some(rest) = strip_scheme(text, "https://") {
            (Transport::Secure, rest)
        } else if let Some(rest) = strip_scheme(text, "http://") {
            (Transport::Open, rest)
        } else {
            return Err("does not begin with `https://` or `http://`");
        };
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '\\') {
            return Err("has a character that an address cannot have");
        }
        if text.contains(['?', '#']) {
            return Err("has a query or a fragment");
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err("holds a user name or a password");
        }
        let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or("has a bracket without its partner")?;
            host.parse::<Ipv6Addr>().map_err(|_| "has no valid host")?;
            (host, after.strip_prefix(':'))
        } else {
            authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)))
        };
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err("has no valid port");
        }
        if host.is_empty()
            || host.chars().any(|c| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':')))
        {
            return Err("has no valid host");
        }
        let url = text.trim_end_matches('/').to_owned();
        Ok(Self { url, host: host.trim_end_matches('.').to_lowercase(), transport })
    }

    /// The address without the path that `protocol` adds to it, which people copy along.
    pub(crate) fn before_path_of(mut self, protocol: Protocol) -> Self {
        let paths: &[&str] = match protocol {
            Protocol::ChatCompletions => &["/chat/completions"],
            Protocol::Responses => &["/responses"],
            Protocol::Messages => &["/messages", "/v1"],
            // `/v1` leads to the protocol that Ollama speaks besides its own.
            Protocol::Ollama => &["/chat", "/api", "/v1"],
            Protocol::Gemini => &[],
        };
        for path in paths {
            if let Some(before) = self.url.strip_suffix(path) {
                self.url.truncate(before.trim_end_matches('/').len());
            }
        }
        if protocol == Protocol::Gemini
            && let Some((before, call)) = self.url.rsplit_once("/models/")
            && call.to_ascii_lowercase().ends_with("generatecontent")
        {
            self.url.truncate(before.len());
        }
        self
    }

    /// Whether the host is `domain` or in it.
    pub(crate) fn is_in(&self, domain: &str) -> bool {
        self.host == domain || self.host.strip_suffix(domain).is_some_and(|before| before.ends_with('.'))
    }

    /// Whether the host is this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.is_in("localhost")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
            || self.host.parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }
}

fn strip_scheme<'a>(text: &'a str, scheme: &str) -> Option<&'a str> {
    let head = text.get(..scheme.len())?;
    if head.eq_ignore_ascii_case(scheme) { text.get(scheme.len()..) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> String {
        Endpoint::parse(text).unwrap().host
    }

    #[test]
    fn the_host_is_what_a_client_would_connect_to() {
        assert_eq!(host("https://API.OpenAI.com/v1"), "api.openai.com");
        assert_eq!(host("HTTP://localhost:1234/v1/"), "localhost");
        assert_eq!(host("http://[::1]:8000/v1"), "::1");
        assert_eq!(host("https://api.openai.com./v1"), "api.openai.com");
        for bad in [
            "api.openai.com/v1",
            "ftp://x/",
            "https://",
            "https:///v1",
            "https://user:pw@host/v1",
            "https://api.openai.com@evil.example/v1",
            "https://evil.example\\@api.openai.com/v1",
            "https://evil.example#.openai.com",
            "https://evil.example?.openai.com",
            "https://a b/v1",
            "https://x:port/",
            "https://[::1/",
            "https://${HOST}/v1",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_path_of_the_call_is_not_part_of_the_address() {
        use Protocol::{ChatCompletions, Gemini, Messages, Ollama, Responses};
        for (protocol, text, url) in [
            (ChatCompletions, "http://h/v1", "http://h/v1"),
            (ChatCompletions, "http://h/v1/", "http://h/v1"),
            (ChatCompletions, "http://h/v1/chat/completions/", "http://h/v1"),
            (Responses, "http://h/v1/responses", "http://h/v1"),
            (Messages, "http://h/anthropic/v1/messages", "http://h/anthropic"),
            (Messages, "http://h/v1/", "http://h"),
            (Ollama, "http://h:11434/api/chat", "http://h:11434"),
            (Ollama, "http://h:11434/v1", "http://h:11434"),
            (Gemini, "http://h/v1beta/models/gemini-3:streamGenerateContent", "http://h/v1beta"),
            (Gemini, "http://h/v1beta/models/mine", "http://h/v1beta/models/mine"),
        ] {
            assert_eq!(Endpoint::parse(text).unwrap().before_path_of(protocol).url, url, "{text}");
        }
    }

    #[test]
    fn loopback_is_told_by_address_not_by_spelling() {
        for local in [
            "http://localhost",
            "http://a.localhost:1",
            "http://127.0.0.9/v1",
            "http://[::1]",
            "http://0.0.0.0:1",
        ] {
            assert!(Endpoint::parse(local).unwrap().is_loopback(), "{local}");
        }
        for remote in
            ["http://localhost.evil.example", "http://127.0.0.1.evil.example", "http://notlocalhost"]
        {
            assert!(!Endpoint::parse(remote).unwrap().is_loopback(), "{remote}");
        }
    }
}
