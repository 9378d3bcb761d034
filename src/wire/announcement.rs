//! The header by which a load balancer announces a client: of the PROXY protocol, version 1 or 2
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).

use std::net::SocketAddr;

use proxy_header::{Error, ParseConfig, ProxyHeader};

/// The longest header, in bytes; what load balancers add to the addresses included.
const LONGEST: usize = 4096;

/// The bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no PROXY header")]
pub struct MalformedHeader;

/// The source and the header's length; none while there is more to come. No source: the load balancer speaks for itself, as to
/// see whether somebody listens.
pub fn parse(bytes: &[u8]) -> Result<Option<(Option<SocketAddr>, usize)>, MalformedHeader> {
    // What else stands in the second version is of no interest.
    let config = ParseConfig { include_tlvs: false, allow_v1: true, allow_v2: true };
    match ProxyHeader::parse(bytes, config) {
        Ok((header, length)) => Ok(Some((header.proxied_address().map(|address| address.source), length))),
        Err(Error::BufferTooShort) if bytes.len() < LONGEST => Ok(None),
        Err(_) => Err(MalformedHeader),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V2: [u8; 28] = [
        0x0d, 0x0a, 0x0d, 0x0a, 0, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a, 0x21, 0x11, 0, 12, 192, 0, 2, 7, 10, 0, 0,
        1, 0xdc, 0x04, 0x0c, 0xea,
    ];

    #[test]
    fn both_versions_say_who_it_is() {
        let source: SocketAddr = "192.0.2.7:56324".parse().unwrap();
        let v1 = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 3306\r\n";
        for header in [&v1[..], &V2] {
            assert_eq!(parse(header).unwrap(), Some((Some(source), header.len())));
            let behind = [header, b"more"].concat();
            assert_eq!(parse(&behind).unwrap(), Some((Some(source), header.len())));
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]).unwrap(), None, "{end}");
            }
        }
        let v6 = b"PROXY TCP6 2001:db8::7 ::1 56324 3306\r\n";
        assert_eq!(parse(v6).unwrap().unwrap().0, Some("[2001:db8::7]:56324".parse().unwrap()));
        // Of itself: version 1 without, version 2 LOCAL.
        assert_eq!(parse(b"PROXY UNKNOWN\r\n").unwrap(), Some((None, 15)));
        let local = [&V2[..12], &[0x20, 0, 0, 0]].concat();
        assert_eq!(parse(&local).unwrap(), Some((None, 16)));
    }

    #[test]
    fn what_is_no_header_ends_it() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"PROXY TCP4 x y 1 2\r\n", &[0x0d; 16], &[1, 0, 0, 1]] {
            assert!(parse(bytes).is_err(), "{bytes:?}");
        }
        let endless = [&V2[..14], &[0xff, 0xff], &[0; LONGEST]].concat();
        assert!(parse(&endless).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
            let _ = parse(&[&V2[..12], &bytes].concat());
            let _ = parse(&[b"PROXY ", &bytes[..]].concat());
        }
    }
}
