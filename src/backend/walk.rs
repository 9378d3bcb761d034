//! Walks a reply as it arrives, chunk by chunk: what may be passed on as it is, what must be rewritten, and what the
//! reply says of the session. No I/O, so that it is tested with any chunking.

use super::{changes::Changes, exchange::MadeUp};
use crate::wire::{
    Capabilities, HEADER_LEN, Header, StatusFlags,
    err::SqlError,
    ok::{Change, OK, OkPacket, StateTold, Tracked},
    prepared::put_statement_id,
    response::{Need, PrepareOk, ProtocolViolation, Response, Seen, Shape},
};

/// A packet up to this length is passed on only when it is complete, so that an error can still follow it when the
/// member is lost. In bytes.
const HOLD_BACK: usize = 16 * 1024;

/// The most results of which it is noted that they told a change of the session's state.
const MOST_STATES: usize = 256;

/// What a complete reply said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The code of the error that ended the reply.
    pub error: Option<u16>,
    /// The error that the client got in place of the member's.
    pub replaced: Option<SqlError>,
    /// The last status; `None` when the reply carries none (an error, a prepare).
    pub status: Option<StatusFlags>,
    /// Changes of the session.
    pub changes: Changes,
    /// Which of several results told that the session's state has changed.
    pub states: Vec<StateTold>,
    /// The first packet of a prepare reply, with the member's id.
    pub prepared: Option<PrepareOk>,
    /// `LAST_INSERT_ID` as the last OK told it; 0: none.
    pub last_insert_id: u64,
    /// Whether rows ended with a classic EOF, which has no room for trackers.
    pub classic_eof: bool,
    /// The flags of such an EOF said that the session has changed, or that a write has a GTID: only `MariaDB`'s do.
    pub untold: bool,
    /// Rows that were changed, as the last OK told it; `None` when the reply ended with rows or an error.
    pub affected_rows: Option<u64>,
    /// Rows of the last result that has columns; `None` when there was none.
    pub rows: Option<u64>,
    /// Warnings of the last result.
    pub warnings: u16,
    /// Whether any of the results had warnings, or an error ended them.
    pub raised: bool,
    /// Bytes that came from the member.
    pub received: usize,
    /// Bytes that went to the client.
    pub sent: usize,
}

/// How a reply becomes the client's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rewrite<'a> {
    /// What the client agreed on.
    pub client: Capabilities,
    /// What the member's connection agreed on.
    pub member: Capabilities,
    /// The client's id of the statement.
    pub statement_id: Option<u32>,
    /// Flags that the client's session has beyond what the member knows.
    pub status: StatusFlags,
    /// The error to be told in place of the member's.
    pub replace_error: fn(&SqlError, Option<u32>) -> Option<SqlError>,
    /// What the client is told besides.
    pub made_up: Option<MadeUp<'a>>,
}

/// One step: so many bytes of the chunk are dealt with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// They pass as they are.
    Pass(usize),
    /// This goes out in their place.
    Replace(usize, Vec<u8>),
}

#[derive(Debug)]
pub(super) struct Walk<'a> {
    response: Response,
    rewrite: Rewrite<'a>,
    /// Bytes of the current packet that are still to pass.
    left: usize,
    /// Sequence number behind the last packet that was begun.
    pub next_seq: u8,
    pub reply: Reply,
    /// The first packet was an error, and this is its code; asked before anything is passed on.
    first_seen: bool,
    /// The number of the result at hand, and of the first one whose changes may be untold yet.
    result: u16,
    untold_from: u16,
    /// Bytes that the packet at the front needs before it can be dealt with; 0: any.
    pub wanted: usize,
}

impl<'a> Walk<'a> {
    pub fn new(shape: Shape, rewrite: Rewrite<'a>) -> Self {
        Walk {
            response: Response::new(shape, rewrite.member),
            rewrite,
            left: 0,
            next_seq: 1,
            reply: Reply::default(),
            first_seen: false,
            result: 0,
            untold_from: 0,
            wanted: 0,
        }
    }

    /// What the complete reply said.
    pub fn into_reply(self) -> Reply {
        Reply { rows: self.response.rows(), ..self.reply }
    }

    pub const fn is_done(&self) -> bool {
        self.response.is_done() && self.left == 0
    }

    /// The client's file is wanted, and all before it has passed.
    pub const fn wants_file(&self) -> bool {
        self.response.wants_file()
    }

    pub const fn file_sent(&mut self) {
        self.response.file_sent();
    }

    /// Whether a packet has passed in part only: then nothing but its rest may follow.
    pub const fn is_mid_packet(&self) -> bool {
        self.left > 0
    }

    /// The code of the error with which the reply begins, once the first packet is there.
    pub fn first_error(&self, chunk: &[u8]) -> Option<u16> {
        if self.first_seen {
            return None;
        }
        let header = Header::parse(chunk)?;
        SqlError::code_of(chunk.get(HEADER_LEN..header.total())?)
    }

    /// Deals with as much of the chunk as can be dealt with.
    pub fn step(&mut self, chunk: &mut [u8]) -> Result<Step, ProtocolViolation> {
        let mut at = 0;
        let mut copied = 0;
        let mut out = Vec::new();
        self.wanted = 0;
        while !self.is_done() && !self.response.wants_file() {
            if self.left > 0 {
                let step = self.left.min(chunk.len() - at);
                (at, self.left) = (at + step, self.left - step);
                if self.left > 0 {
                    break;
                }
                continue;
            }
            let Some(header) = Header::parse(&chunk[at..]) else { break };
            let first = chunk.get(at + HEADER_LEN).copied();
            let have = chunk.len() - at;
            if first.is_none() && header.len > 0 {
                break;
            }
            if have < header.total() && header.total() <= HOLD_BACK {
                self.wanted = header.total();
                break;
            }
            // The state moves on with the header, so a packet that must be whole is looked at on a copy first.
            let mut ahead = self.response;
            if ahead.on_header(header, first) == Need::Skip {
                self.response = ahead;
                self.begin_packet(header);
                self.left = header.len;
                at += HEADER_LEN;
                continue;
            }
            if have < header.total() {
                self.wanted = header.total();
                break;
            }
            self.response = ahead;
            self.begin_packet(header);
            let end = at + header.total();
            if let Some(packet) = self.whole(header, &mut chunk[at + HEADER_LEN..end])? {
                out.extend_from_slice(&chunk[copied..at]);
                out.extend_from_slice(&packet);
                copied = end;
            }
            at = end;
        }
        if copied == 0 {
            return Ok(Step::Pass(at));
        }
        out.extend_from_slice(&chunk[copied..at]);
        Ok(Step::Replace(at, out))
    }

    const fn begin_packet(&mut self, header: Header) {
        self.first_seen = true;
        self.next_seq = header.seq.wrapping_add(1);
    }

    /// Learns from a whole packet; gives another packet if it must not pass as it is.
    fn whole(&mut self, header: Header, payload: &mut [u8]) -> Result<Option<Vec<u8>>, ProtocolViolation> {
        let mut new_id = None;
        let mut new_status = None;
        let payload_len = payload.len();
        let replacement = match self.response.on_payload(payload)? {
            Seen::Ok(ok) => {
                self.reply.learn(&ok);
                if self.reply.changes.are_too_many() {
                    return Err(ProtocolViolation::too_much_told(payload_len));
                }
                self.note_state(&ok);
                self.reply.affected_rows = (ok.first == OK).then_some(ok.affected_rows);
                rewritten(&ok, header.seq, &self.rewrite, &self.reply.changes)
            }
            Seen::Eof { warnings, status } => {
                self.reply.status = Some(status);
                self.reply.warnings = warnings;
                self.reply.raised |= warnings > 0;
                self.reply.affected_rows = None;
                self.reply.classic_eof = true;
                // There is no room for the trackers of which the flag tells, and they are the proxy's.
                self.reply.untold |= status.contains(StatusFlags::SESSION_STATE_CHANGED);
                let shown = (status - StatusFlags::SESSION_STATE_CHANGED) | self.rewrite.status;
                new_status = (shown != status).then_some(shown);
                None
            }
            Seen::Err(payload) => {
                let code = SqlError::code_of(payload).unwrap_or(0);
                let Rewrite { replace_error, statement_id, .. } = self.rewrite;
                self.reply.replaced = SqlError::parse(payload).and_then(|error| replace_error(&error, statement_id));
                self.reply.raised = true;
                self.reply.error = Some(self.reply.replaced.as_ref().map_or(code, |error| error.code));
                self.reply.affected_rows = None;
                self.reply.replaced.as_ref().map(|error| {
                    let mut out = Vec::new();
                    error.put(&mut out, header.seq);
                    out
                })
            }
            Seen::Prepared(prepared) => {
                self.reply.prepared = Some(prepared);
                new_id = self.rewrite.statement_id;
                None
            }
            Seen::ColumnCount(_) | Seen::LocalInfile | Seen::Text => None,
        };
        if self.response.is_between_results() {
            self.result = self.result.saturating_add(1);
        }
        if let Some(id) = new_id {
            put_statement_id(payload, id);
        }
        if let (Some(status), Some(place)) = (new_status, payload.get_mut(3..5)) {
            place.copy_from_slice(&status.bits().to_le_bytes());
        }
        Ok(replacement)
    }
}

impl Walk<'_> {
    /// Of several results, notes which one told a change of the session's state; `known` changes were told before.
    fn note_state(&mut self, ok: &OkPacket<'_>) {
        let several = self.result > 0 || ok.status.contains(StatusFlags::MORE_RESULTS_EXISTS);
        let has_changed = || ok.tracked().any(|told| told == Tracked::StateChange(true));
        if several && self.reply.states.len() < MOST_STATES && has_changed() {
            let named = ok.tracked().any(|told| match told {
                Tracked::Variable { name, .. } => !matches!(name, b"statement_id" | b"last_gtid"),
                Tracked::Schema(_) => true,
                _ => false,
            });
            self.reply.states.push(StateTold { first: self.untold_from, last: self.result, named });
        }
        self.untold_from = self.result.saturating_add(1);
    }
}

/// An OK packet for a client that must not see the trackers that the proxy switched on.
fn rewritten(ok: &OkPacket<'_>, seq: u8, rewrite: &Rewrite<'_>, told: &[Change]) -> Option<Vec<u8>> {
    let unseen = rewrite.status - ok.status;
    if ok.state.is_empty() && unseen.is_empty() && !ok.status.contains(StatusFlags::SESSION_STATE_CHANGED) {
        return None;
    }
    let value = rewrite.made_up.filter(|_| tells_gtid(ok)).and_then(|made_up| (made_up.value)(told));
    let made_up = rewrite.made_up.zip(value.as_deref());
    let made_up = made_up.map(|(made_up, value)| Tracked::Variable { name: made_up.name, value });
    let mut out = Vec::new();
    let ok = OkPacket { status: ok.status | rewrite.status, ..*ok };
    ok.put_tracking(&mut out, seq, rewrite.client, ok.tracked().filter(is_tracked_by_default).chain(made_up));
    Some(out)
}

fn tells_gtid(ok: &OkPacket<'_>) -> bool {
    ok.tracked().any(|told| matches!(told, Tracked::Gtids(_) | Tracked::Variable { name: b"last_gtid", .. }))
}

/// What a client that speaks of trackers gets from a server without being asked: the schema and the variables of
/// `session_track_system_variables`' default, and the state of its transaction, of which the proxy asks nothing.
fn is_tracked_by_default(tracked: &Tracked<'_>) -> bool {
    const DEFAULT: [&[u8]; 6] = [
        b"autocommit",
        b"character_set_client",
        b"character_set_connection",
        b"character_set_results",
        b"redirect_url",
        b"time_zone",
    ];
    match tracked {
        Tracked::Schema(_) | Tracked::Other { .. } => true,
        Tracked::Variable { name, .. } => DEFAULT.contains(name),
        _ => false,
    }
}

impl Reply {
    pub(super) fn learn(&mut self, ok: &OkPacket<'_>) {
        self.status = Some(ok.status);
        self.warnings = ok.warnings;
        self.raised |= ok.warnings > 0;
        if ok.last_insert_id != 0 {
            self.last_insert_id = ok.last_insert_id;
        }
        for tracked in ok.tracked() {
            match tracked {
                // Changes with every statement of MySQL and says nothing of the session.
                Tracked::Variable { name: b"statement_id", .. } => {}
                Tracked::Variable { name: b"last_gtid", value } => self.changes.note(Change::Gtids(value.to_vec())),
                Tracked::Variable { name, value } => {
                    self.changes.note(Change::Variable(name.to_vec(), value.to_vec()));
                }
                Tracked::Schema(name) => self.changes.note(Change::Schema(name.to_vec())),
                Tracked::Gtids(gtids) => self.changes.note(Change::Gtids(gtids.to_vec())),
                Tracked::StateChange(true) => self.changes.note(Change::State),
                Tracked::StateChange(false) | Tracked::Other { .. } => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::put_message;
    use proptest::prelude::*;

    fn rewrite(client: Capabilities) -> Rewrite<'static> {
        Rewrite {
            client,
            member: Capabilities::SESSION_TRACK,
            statement_id: Some(9),
            status: StatusFlags::empty(),
            replace_error: |_, _| None,
            made_up: None,
        }
    }

    /// Two results, the second of them an OK with trackers.
    fn two_results() -> Vec<u8> {
        let mut out = Vec::new();
        let tracked = b"\x00\x01\x07\x02\x40\x00\x00\x00\x13\x00\x0e\nautocommit\x02ON\x02\x011";
        let packets: &[&[u8]] =
            &[&[1], b"\x03def", &[0xfe, 0, 0, 2, 0], b"\x05hello", &[0x01, b'x'], &[0xfe, 0, 0, 0x0a, 0], tracked];
        for (seq, payload) in packets.iter().enumerate() {
            put_message(&mut out, seq as u8 + 1, payload);
        }
        out
    }

    fn walk_in_chunks(bytes: &[u8], size: usize, client: Capabilities) -> (Vec<u8>, Walk<'static>) {
        let mut walk = Walk::new(Shape::Results, rewrite(client));
        let (mut out, mut inbox) = (Vec::new(), Vec::new());
        for chunk in bytes.chunks(size) {
            inbox.extend_from_slice(chunk);
            let taken = match walk.step(&mut inbox).unwrap() {
                Step::Pass(taken) => {
                    out.extend_from_slice(&inbox[..taken]);
                    taken
                }
                Step::Replace(taken, bytes) => {
                    out.extend(bytes);
                    taken
                }
            };
            inbox.drain(..taken);
        }
        assert!(inbox.is_empty());
        (out, walk)
    }

    #[test]
    fn a_client_with_trackers_sees_those_of_the_default_only() {
        let bytes = two_results();
        let (out, walk) = walk_in_chunks(&bytes, bytes.len(), Capabilities::SESSION_TRACK);
        assert!(walk.is_done());
        assert!(out.ends_with(b"\x40\x00\x00\x00\x10\x00\x0e\nautocommit\x02ON"));
        assert_eq!(walk.reply.last_insert_id, 7);
        assert_eq!(walk.reply.changes[..], [Change::Variable(b"autocommit".to_vec(), b"ON".to_vec()), Change::State]);
    }

    #[test]
    fn a_transaction_elsewhere_shows_in_the_status_and_trackers_without_room_do_not() {
        let status = StatusFlags::IN_TRANS;
        let mut walk = Walk::new(Shape::Results, Rewrite { status, ..rewrite(Capabilities::empty()) });
        let mut bytes = Vec::new();
        let packets: &[&[u8]] =
            &[&[1], b"\x03def", &[0xfe, 0, 0, 2, 0], &[0xfe, 0, 0, 0x0a, 0x40], &[0, 0, 0, 2, 0, 0, 0]];
        for (seq, payload) in packets.iter().enumerate() {
            put_message(&mut bytes, seq as u8 + 1, payload);
        }
        let Step::Replace(_, out) = walk.step(&mut bytes).unwrap() else { panic!("it passed as it was") };
        assert!(out.windows(9).any(|window| window == b"\x05\0\0\x04\xfe\0\0\x0b\0"), "{out:?}");
        assert!(out.ends_with(b"\0\0\0\x03\0\0\0"), "{out:?}");
        assert_eq!(walk.reply.status, Some(StatusFlags::AUTOCOMMIT));
    }

    #[test]
    fn the_statement_id_of_a_prepare_becomes_the_clients() {
        let mut bytes = Vec::new();
        put_message(&mut bytes, 1, &[0, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut walk = Walk::new(Shape::Prepare, rewrite(Capabilities::empty()));
        assert_eq!(walk.step(&mut bytes).unwrap(), Step::Pass(16));
        assert_eq!((bytes[5], walk.reply.prepared.unwrap().statement_id), (9, 77));
    }

    #[test]
    fn an_error_in_front_is_known_before_it_passes() {
        let mut bytes = Vec::new();
        put_message(&mut bytes, 1, b"\xff\x0a\x05#HY000read only");
        let walk = Walk::new(Shape::Results, rewrite(Capabilities::empty()));
        assert_eq!(walk.first_error(&bytes), Some(1290));
        assert_eq!(walk.first_error(&bytes[..6]), None);
    }

    #[test]
    fn a_long_row_passes_in_parts_and_a_short_one_whole() {
        let mut walk = Walk::new(Shape::Rows, rewrite(Capabilities::empty()));
        let mut short = Header { len: 100, seq: 1 }.encode().to_vec();
        short.extend_from_slice(&[1; 50]);
        assert_eq!(walk.step(&mut short).unwrap(), Step::Pass(0));
        let mut long = Header { len: 1_000_000, seq: 1 }.encode().to_vec();
        long.extend_from_slice(&[1; 50]);
        assert_eq!(walk.step(&mut long).unwrap(), Step::Pass(54));
        assert!(walk.is_mid_packet());
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_bytes(size in 1usize..80, track: bool) {
            let client = if track { Capabilities::SESSION_TRACK } else { Capabilities::empty() };
            let bytes = two_results();
            let (whole, _) = walk_in_chunks(&bytes, bytes.len(), client);
            let (parts, walk) = walk_in_chunks(&bytes, size, client);
            prop_assert!(walk.is_done());
            prop_assert_eq!(whole, parts);
        }

        #[test]
        fn arbitrary_replies_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut walk = Walk::new(Shape::Results, rewrite(Capabilities::empty()));
            let _ = walk.step(&mut bytes);
        }
    }
}
