//! A reply that is here as a whole and says nothing but its result: one result, no error, no warning, nothing of the session.
//! Most replies are so, and need no state between packets.
//!
//! Must find nothing in a reply that [`Response`](super::response::Response) would read differently: whatever is unusual is
//! left to that (`page_protocol_com_query_response`).

use super::{
    Capabilities, HEADER_LEN, Header, StatusFlags,
    err::ERR,
    ok::{EOF, OK, OkPacket, parse_eof},
    packet::MAX_PAYLOAD,
};

/// The most columns that are told in one byte.
const FEW_COLUMNS: u8 = 250;
/// An OK, which also closes rows when EOF is deprecated, has as many bytes at least (`page_protocol_basic_ok_packet`); a classic
/// EOF has fewer, and no row is shorter than nine that begins like one (`page_protocol_basic_eof_packet`).
const SHORTEST_OK: usize = 7;
const SHORTEST_ROW: usize = 9;
/// There is more to come or to learn.
const UNUSUAL: StatusFlags = StatusFlags::MORE_RESULTS_EXISTS
    .union(StatusFlags::SESSION_STATE_CHANGED)
    .union(StatusFlags::CURSOR_EXISTS)
    .union(StatusFlags::LAST_ROW_SENT);

/// What a short reply said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortReply {
    /// What the server says of the session.
    pub status: StatusFlags,
    /// What came.
    pub result: ShortResult,
}

/// What a short reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShortResult {
    /// So many rows.
    Rows(u64),
    /// An OK.
    Done {
        /// Rows that were changed.
        affected_rows: u64,
        /// The id that `AUTO_INCREMENT` gave; 0: none.
        last_insert_id: u64,
    },
}

impl ShortReply {
    /// Reads a reply to `COM_QUERY` or `COM_STMT_EXECUTE` from a connection with these capabilities; `None` if `bytes` are not
    /// just one short reply.
    #[must_use]
    pub fn read(bytes: &[u8], capabilities: Capabilities) -> Option<ShortReply> {
        let (first, rest) = split(bytes)?;
        let (reply, rest) = match first {
            [OK, ..] => (done(OkPacket::parse(first, capabilities)?)?, rest),
            [columns @ 1..=FEW_COLUMNS] => rows(*columns, rest, capabilities)?,
            _ => return None,
        };
        (rest.is_empty() && !reply.status.intersects(UNUSUAL)).then_some(reply)
    }
}

fn done(ok: OkPacket<'_>) -> Option<ShortReply> {
    let OkPacket { affected_rows, last_insert_id, status, warnings, state, .. } = ok;
    let result = ShortResult::Done { affected_rows, last_insert_id };
    (warnings == 0 && state.is_empty()).then_some(ShortReply { status, result })
}

/// Column definitions, rows and their end; and what comes behind it.
fn rows(columns: u8, mut bytes: &[u8], capabilities: Capabilities) -> Option<(ShortReply, &[u8])> {
    let classic = !capabilities.contains(Capabilities::DEPRECATE_EOF);
    for _ in 0..columns {
        (_, bytes) = split(bytes)?;
    }
    if classic {
        let end;
        (end, bytes) = split(bytes)?;
        let status = end_of_file(end)?;
        (!status.intersects(UNUSUAL)).then_some(())?;
    }
    let mut count = 0;
    loop {
        let (packet, rest) = split(bytes)?;
        bytes = rest;
        let result = ShortResult::Rows(count);
        match packet.first() {
            Some(&ERR) => return None,
            Some(&EOF) if !classic => {
                let end = done(OkPacket::parse(packet, capabilities).filter(|_| packet.len() >= SHORTEST_OK)?)?;
                return Some((ShortReply { result, ..end }, bytes));
            }
            Some(&EOF) if packet.len() < SHORTEST_ROW => {
                return Some((ShortReply { status: end_of_file(packet)?, result }, bytes));
            }
            _ => count += 1,
        }
    }
}

/// The status of a classic EOF without warnings.
fn end_of_file(packet: &[u8]) -> Option<StatusFlags> {
    let (warnings, status) = parse_eof(packet).filter(|_| packet.len() < SHORTEST_OK)?;
    (warnings == 0).then_some(status)
}

/// The first packet's payload, and what stands behind it.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = Header::parse(bytes).filter(|header| header.len < MAX_PAYLOAD)?;
    bytes.get(HEADER_LEN..)?.split_at_checked(header.len)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{
        packet::put_message,
        response::{Need, Response, Seen, Shape},
    };

    const TRACKERS: Capabilities = Capabilities::SESSION_TRACK;
    const NEWER: Capabilities = Capabilities::SESSION_TRACK.union(Capabilities::DEPRECATE_EOF);

    fn packets(payloads: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        let seq = |at: usize| u8::try_from(at + 1).unwrap_or(0);
        payloads.iter().enumerate().for_each(|(at, payload)| _ = put_message(&mut out, seq(at), payload));
        out
    }

    #[test]
    fn what_is_usual_is_read() {
        let status = StatusFlags::AUTOCOMMIT;
        let rows = packets(&[b"\x01", b"\x03def", b"\xfe\0\0\x02\0", b"\x011", b"\xfb", b"\xfe\0\0\x02\0"]);
        let read = ShortReply::read(&rows, TRACKERS);
        assert_eq!(read, Some(ShortReply { status, result: ShortResult::Rows(2) }));
        let newer = packets(&[b"\x01", b"\x03def", b"\x011", b"\xfe\0\0\x02\0\0\0"]);
        assert_eq!(ShortReply::read(&newer, NEWER), Some(ShortReply { status, result: ShortResult::Rows(1) }));
        let ok = packets(&[b"\0\x03\x09\x02\0\0\0"]);
        let result = ShortResult::Done { affected_rows: 3, last_insert_id: 9 };
        assert_eq!(ShortReply::read(&ok, TRACKERS), Some(ShortReply { status, result }));
        for end in 0..rows.len() {
            assert_eq!(ShortReply::read(&rows[..end], TRACKERS), None, "{end} bytes of it");
        }
    }

    #[test]
    fn what_is_unusual_is_left_to_others() {
        for payloads in [
            &[&b"\xff\x28\x04#42000no"[..]][..],
            &[b"\0\0\0\x02\0\x01\0"],                // a warning
            &[b"\0\0\0\x0a\0\0\0"],                  // more results
            &[b"\0\0\0\x02\x40\0\0\0\x03\x02\x011"], // a tracker
            &[b"\0\0\0\x02\0\0\0", b"\0\0\0\x02\0\0\0"],
            &[b"\xfb/etc/passwd"],
            &[b"\x01", b"\x03def", b"\xfe\0\0\x02\x40", b"\xfe\0\0\x02\0"], // the state has changed
            &[b"\x01", b"\x03def", b"\xfe\0\0\x42\0", b"\xfe\0\0\x42\0"],   // a cursor
            &[b"\x01", b"\x03def", b"\xfe\0\0\x02\0", b"\xff\x28\x04#42000no"],
            &[b"\x01", b"\x03def", b"\xfe\0\0\x02\0", b"\xfe\x01\0\x02\0"], // a warning
            &[b"\x01", b"\x03def", b"\xfe\x01\0\x02\0", b"\xfe\0\0\x02\0"],
        ] {
            assert_eq!(ShortReply::read(&packets(payloads), TRACKERS), None, "{payloads:?}");
        }
    }

    /// As the state machine reads it, packet by packet; `None` unless all is read and nothing is left over.
    fn read_at_length(payloads: &[Vec<u8>], capabilities: Capabilities) -> Option<(StatusFlags, u16, Option<u64>)> {
        let mut response = Response::new(Shape::Results, capabilities);
        let (mut status, mut warnings) = (StatusFlags::empty(), 0);
        for (at, payload) in payloads.iter().enumerate() {
            let header = Header { len: payload.len(), seq: 0 };
            if response.on_header(header, payload.first().copied()) == Need::Whole {
                match response.on_payload(payload).ok()? {
                    Seen::Ok(ok) => (status, warnings) = (ok.status, warnings | ok.warnings),
                    Seen::Eof { warnings: more, status: said } => (status, warnings) = (said, warnings | more),
                    Seen::ColumnCount(_) => {}
                    _ => return None,
                }
            }
            if response.is_done() {
                return (at + 1 == payloads.len()).then_some((status, warnings, response.rows()));
            }
        }
        None
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![Just(0u8), Just(1), Just(2), Just(0xfe), Just(0xff), Just(0xfb), any::<u8>()];
        let rest = prop::collection::vec(prop_oneof![4 => Just(0u8), 2 => Just(2), 1 => any::<u8>()], 0..10);
        let anything = (first, rest, any::<bool>())
            .prop_map(|(first, rest, alone)| if alone { vec![first] } else { [vec![first], rest].concat() });
        let usual: [&[u8]; 5] =
            [b"\x01", b"\xfe\0\0\x02\0", b"\xfe\x01\0\x02\0", b"\xfe\0\0\x02\x40", b"\0\0\0\x02\0\0\0"];
        prop_oneof![2 => anything, 3 => prop::sample::select(usual.to_vec()).prop_map(<[u8]>::to_vec)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn it_reads_what_the_state_machine_reads(
            payloads in prop::collection::vec(payload(), 1..7), newer: bool,
        ) {
            let capabilities = if newer { NEWER } else { TRACKERS };
            let bytes = packets(&payloads.iter().map(Vec::as_slice).collect::<Vec<_>>());
            if let Some(short) = ShortReply::read(&bytes, capabilities) {
                let rows = match short.result { ShortResult::Rows(rows) => Some(rows), ShortResult::Done { .. } => None };
                prop_assert_eq!(read_at_length(&payloads, capabilities), Some((short.status, 0, rows)));
            }
        }
    }
}
