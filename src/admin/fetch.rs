//! One GET over plain HTTP/1.1, for the command line: blocking, bounded in time and size.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// The port where none is given: the default of `listen.admin_http`.
const PORT: u16 = 9090;
const TIMEOUT: Duration = Duration::from_secs(5);
const LONGEST: u64 = 16 * 1024 * 1024;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// `--admin` is not a URL of plain HTTP.
    #[error("--admin: {0:?} is no URL of plain HTTP; give one such as http://127.0.0.1:9090")]
    Url(String),
    /// Nobody answers.
    #[error(
        "no proxy answers at {address}: {why}; start it with mysql-proxy run, or give the address of its \
         listen.admin_http by --admin http://HOST:PORT"
    )]
    NotThere {
        /// Host and port.
        address: String,
        /// What went wrong.
        why: io::Error,
    },
    /// Somebody answers, and it is not the proxy.
    #[error(
        "what answers at {address} is no mysql-proxy: {what}; give the address of its listen.admin_http by --admin"
    )]
    NotOurs {
        /// Host and port.
        address: String,
        /// What it answered.
        what: String,
    },
}

/// Where to ask: `http://HOST[:PORT][/PATH]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    host: String,
    port: u16,
    /// In front of the paths of the admin port; without a slash at its end.
    path: String,
}

impl Origin {
    pub(super) fn parse(url: &str) -> Result<Self, FetchError> {
        Self::parts(url).ok_or_else(|| FetchError::Url(url.to_owned()))
    }

    fn parts(url: &str) -> Option<Self> {
        let rest = match url.split_once("://") {
            Some((scheme, rest)) => scheme.eq_ignore_ascii_case("http").then_some(rest)?,
            None => url,
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.strip_prefix('[') {
            Some(v6) => v6.split_once(']')?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port != 0)?,
            None if port.is_empty() => PORT,
            None => return None,
        };
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_graphic() && !b"@?#\\".contains(&b));
        let sound = !host.is_empty() && plain(host) && plain(path);
        sound.then(|| Self { host: host.to_owned(), port, path: path.trim_end_matches('/').to_owned() })
    }

    /// Host and port.
    pub(super) fn address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The body of what stands at `path`.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>, FetchError> {
        let answer =
            self.exchange(path).map_err(|why| FetchError::NotThere { address: self.address(), why: readable(why) })?;
        body(&answer).map_err(|what| self.not_ours(what))
    }

    pub(super) fn not_ours(&self, what: impl Into<String>) -> FetchError {
        FetchError::NotOurs { address: self.address(), what: what.into() }
    }

    fn exchange(&self, path: &str) -> io::Result<Vec<u8>> {
        let end = Instant::now() + TIMEOUT;
        let mut stream = self.connect(end)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let request = format!(
            "GET {}{path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nConnection: close\r\n\r\n",
            self.path,
            self.address()
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        let mut chunk = [0; 16 * 1024];
        while (answer.len() as u64) < LONGEST {
            stream.set_read_timeout(Some(remaining(end)?))?;
            match stream.read(&mut chunk)? {
                0 => break,
                n => answer.extend_from_slice(&chunk[..n]),
            }
        }
        Ok(answer)
    }

    fn connect(&self, end: Instant) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, remaining(end)?) {
                Ok(stream) => return Ok(stream),
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

fn remaining(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// What a read that took too long is called differs between systems.
fn readable(why: io::Error) -> io::Error {
    match why.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {TIMEOUT:?}"))
        }
        _ => why,
    }
}

/// The body of a whole answer, or what is wrong with it.
fn body(answer: &[u8]) -> Result<Vec<u8>, String> {
    let end = answer.windows(4).position(|it| it == b"\r\n\r\n").ok_or("it does not speak HTTP")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let body = &answer[end + 4..];
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    match status.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..)) {
        Some(code) if code.starts_with("200") => {}
        Some(code) => return Err(format!("it answered {}", code.trim())),
        None => return Err("it does not speak HTTP".to_owned()),
    }
    let headers: Vec<(String, &str)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, it)| (name.to_ascii_lowercase(), it.trim()))
        .collect();
    let header = |name: &str| headers.iter().find(|(it, _)| it == name).map(|(_, value)| *value);
    if header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return unchunked(body).ok_or_else(|| CUT_SHORT.to_owned());
    }
    match header("content-length").map(str::parse::<usize>) {
        Some(Ok(length)) => body.get(..length).map(<[u8]>::to_vec).ok_or_else(|| CUT_SHORT.to_owned()),
        Some(Err(_)) => Err("its Content-Length is no number".to_owned()),
        None => Ok(body.to_vec()),
    }
}

const CUT_SHORT: &str = "its answer is cut short";

/// The chunks of a whole chunked body in one piece; its trailers are let go.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let line = rest.windows(2).position(|it| it == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Some(whole);
        }
        whole.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, address, path) in [
            ("http://127.0.0.1:9090", "127.0.0.1:9090", ""),
            ("HTTP://proxy.db/", "proxy.db:9090", ""),
            ("proxy:1", "proxy:1", ""),
            ("http://[::1]:80/admin/", "[::1]:80", "/admin"),
            ("[::1]", "[::1]:9090", ""),
        ] {
            let origin = Origin::parse(url).unwrap();
            assert_eq!((origin.address().as_str(), origin.path.as_str()), (address, path), "{url}");
        }
        for url in [
            "",
            "http://",
            "https://a",
            "ftp://a",
            "http://a:0",
            "http://a:70000",
            "http://a:",
            "a b",
            "u@a",
            "[::1]x",
            "a?b",
        ] {
            assert!(matches!(Origin::parse(url), Err(FetchError::Url(_))), "{url}");
        }
    }

    #[test]
    fn bodies() {
        assert_eq!(body(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}x").unwrap(), b"{}");
        assert_eq!(body(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}").unwrap(), b"{}");
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a=b\r\n{\n\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(body(chunked).unwrap(), b"{\n0123456789");
        for (answer, complaint) in [
            (&b""[..], "it does not speak HTTP"),
            (b"J\0\0\0\n5.5.5-10.11\r\n\r\n", "it does not speak HTTP"),
            (b"HTTP/1.1 404 Not Found\r\n\r\n", "it answered 404 Not Found"),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", CUT_SHORT),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n{}", CUT_SHORT),
            (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}", "its Content-Length is no number"),
        ] {
            assert_eq!(body(answer).unwrap_err(), complaint, "{}", answer.escape_ascii());
        }
    }

    #[test]
    fn a_server_that_says_nothing_is_given_up() {
        assert!(remaining(Instant::now()).is_err());
        let why = readable(io::ErrorKind::WouldBlock.into());
        assert_eq!(why.to_string(), "no answer within 5s");
    }
}
