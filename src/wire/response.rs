//! The state of a reply: what each packet header means, so that the packets between can pass unread.
//!
//! Invariant: only packets that change state are asked for whole (OK, EOF, ERR, column counts, prepare replies); rows
//! and column definitions are skipped by their length (`page_protocol_com_query_response`,
//! `page_protocol_com_stmt_prepare`, `page_protocol_command_phase_text_resultset`).

use super::{
    Capabilities, Header, StatusFlags,
    err::ERR,
    ok::{EOF, OK, OkPacket, parse_eof},
    packet::MAX_PAYLOAD,
    reader::Reader,
};

/// First byte of a request for a client's file.
const LOCAL_INFILE: u8 = 0xfb;

/// What kind of reply a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// OK, ERR, a file request or result sets: `COM_QUERY`, `COM_STMT_EXECUTE`.
    Results,
    /// The same where a cursor was asked for, so that the rows may stay at the server: `COM_STMT_EXECUTE`.
    Cursor,
    /// The reply to `COM_STMT_PREPARE`.
    Prepare,
    /// One OK, EOF or ERR.
    Acknowledgement,
    /// Column definitions without a count, then EOF: `COM_FIELD_LIST`.
    Fields,
    /// Rows without column definitions: `COM_STMT_FETCH`.
    Rows,
    /// One packet of text: `COM_STATISTICS`.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first packet of a result.
    First,
    /// So many column definitions are to come.
    Columns(u64),
    /// The EOF behind column definitions.
    ColumnsEnd,
    /// Rows until their end.
    Rows,
    /// The first packet of a prepare reply.
    PrepareFirst,
    /// Parameter and column definitions of a prepare reply: so many now, so many in the next block.
    PrepareDefinitions { now: u64, next: u64 },
    /// The EOF behind a block of definitions.
    PrepareEnd { next: u64 },
    /// One acknowledgement.
    Acknowledgement,
    /// One packet of text.
    Text,
    /// The client sends its file; the server answers after it.
    LocalInfile,
    /// Nothing more comes.
    Done,
}

/// Whether a packet must be seen whole before it can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Its length is enough.
    Skip,
    /// [`Response::on_payload`] must be called with all of it.
    Whole,
}

/// What a packet that was seen whole turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen<'a> {
    /// An OK packet, also the one that closes rows when EOF is deprecated.
    Ok(OkPacket<'a>),
    /// A classic EOF.
    Eof {
        /// Number of warnings.
        warnings: u16,
        /// What the server says of the session.
        status: StatusFlags,
    },
    /// An error, which ends the reply.
    Err(&'a [u8]),
    /// The number of columns of a result.
    ColumnCount(u64),
    /// A statement was prepared.
    Prepared(PrepareOk),
    /// The server wants a file of the client.
    LocalInfile,
    /// Text.
    Text,
}

/// The first packet of a prepare reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareOk {
    /// The server's id of the statement.
    pub statement_id: u32,
    /// Number of columns of its result.
    pub columns: u16,
    /// Number of its parameters.
    pub params: u16,
    /// Number of warnings.
    pub warnings: u16,
}

/// The reply is not one that the protocol knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a reply that the protocol does not know: packet of {len} bytes in state {state}")]
pub struct ProtocolViolation {
    len: usize,
    state: &'static str,
}

impl ProtocolViolation {
    /// The OK packets of a reply tell of more changes than a session can have.
    #[must_use]
    pub const fn too_much_told(len: usize) -> Self {
        ProtocolViolation { len, state: "too many changes of the session" }
    }
}

/// The state machine.
#[derive(Clone, Copy, Debug)]
pub struct Response {
    state: State,
    deprecate_eof: bool,
    capabilities: Capabilities,
    /// A cursor was asked for.
    may_open_cursor: bool,
    /// The last packet was of the greatest length: the next header continues it.
    continued: bool,
    /// Rows so far of the last result that has columns.
    rows: Option<u64>,
}

impl Response {
    /// Starts before the first packet of a reply.
    #[must_use]
    pub const fn new(shape: Shape, capabilities: Capabilities) -> Self {
        let state = match shape {
            Shape::Results | Shape::Cursor => State::First,
            Shape::Prepare => State::PrepareFirst,
            Shape::Acknowledgement => State::Acknowledgement,
            Shape::Fields => State::Columns(u64::MAX),
            Shape::Rows => State::Rows,
            Shape::Text => State::Text,
        };
        let deprecate_eof = capabilities.contains(Capabilities::DEPRECATE_EOF);
        let may_open_cursor = matches!(shape, Shape::Cursor);
        Response { state, deprecate_eof, capabilities, may_open_cursor, continued: false, rows: None }
    }

    /// How many rows the last result with columns has so far.
    #[must_use]
    pub const fn rows(&self) -> Option<u64> {
        self.rows
    }

    /// Whether the reply is complete.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the server waits for the client's file.
    #[must_use]
    pub const fn wants_file(&self) -> bool {
        matches!(self.state, State::LocalInfile)
    }

    /// The client has sent its file; the server's answer comes.
    pub const fn file_sent(&mut self) {
        self.state = State::First;
    }

    /// A packet begins: its header and its first byte (`None` when it is empty).
    pub fn on_header(&mut self, header: Header, first: Option<u8>) -> Need {
        let continues = std::mem::replace(&mut self.continued, header.is_continued());
        if continues {
            return Need::Skip;
        }
        match self.state {
            State::Rows if self.ends_rows(header.len, first) => Need::Whole,
            State::Rows => {
                self.rows = self.rows.map(|rows| rows + 1);
                Need::Skip
            }
            // No column definition begins with either; with trackers the closing OK may be of any length.
            State::Columns(u64::MAX) if matches!(first, Some(EOF | ERR)) => Need::Whole,
            State::Columns(u64::MAX) => Need::Skip,
            State::Columns(left) => {
                self.state = self.after_column(left);
                Need::Skip
            }
            State::PrepareDefinitions { now, next } => {
                self.state = self.after_definition(now, next);
                Need::Skip
            }
            _ => Need::Whole,
        }
    }

    /// Rows end with ERR, with a classic EOF, or with an OK that begins with 0xFE. A row may begin with 0xFE too, as
    /// the length of a column of 16 MiB and more; then the packet has the greatest length.
    fn ends_rows(&self, len: usize, first: Option<u8>) -> bool {
        match first {
            Some(ERR) => true,
            Some(EOF) if self.deprecate_eof => len < MAX_PAYLOAD,
            Some(EOF) => len < 9,
            _ => false,
        }
    }

    const fn after_column(&self, left: u64) -> State {
        match (left, self.deprecate_eof) {
            (2.., _) => State::Columns(left - 1),
            (_, true) => State::Rows,
            (_, false) => State::ColumnsEnd,
        }
    }

    const fn after_definition(&self, now: u64, next: u64) -> State {
        match (now, self.deprecate_eof, next) {
            (2.., _, _) => State::PrepareDefinitions { now: now - 1, next },
            (_, false, _) => State::PrepareEnd { next },
            (_, true, 0) => State::Done,
            (_, true, _) => State::PrepareDefinitions { now: next, next: 0 },
        }
    }

    /// Whether the packet that was seen last has ended a result: another one follows, or none.
    #[must_use]
    pub const fn is_between_results(&self) -> bool {
        matches!(self.state, State::First | State::Done)
    }

    /// The payload of a packet for which [`Need::Whole`] was said.
    pub fn on_payload<'a>(&mut self, payload: &'a [u8]) -> Result<Seen<'a>, ProtocolViolation> {
        if payload.first() == Some(&ERR) && self.state != State::Text {
            self.state = State::Done;
            return Ok(Seen::Err(payload));
        }
        match self.state {
            State::First => self.on_first(payload),
            State::ColumnsEnd => self.on_columns_end(payload),
            State::Rows | State::Acknowledgement => self.on_end(payload),
            State::Columns(u64::MAX) => {
                self.state = State::Done;
                self.eof_or_ok(payload)
            }
            State::PrepareFirst => self.on_prepare_first(payload),
            State::PrepareEnd { next } => {
                self.state = if next == 0 { State::Done } else { State::PrepareDefinitions { now: next, next: 0 } };
                self.eof_or_ok(payload)
            }
            State::Text => {
                self.state = State::Done;
                Ok(Seen::Text)
            }
            _ => Err(self.violation(payload)),
        }
    }

    fn on_first<'a>(&mut self, payload: &'a [u8]) -> Result<Seen<'a>, ProtocolViolation> {
        match payload.first() {
            Some(&OK) => self.on_end(payload),
            // Whoever has not offered its files must not be asked for one.
            Some(&LOCAL_INFILE) if !self.capabilities.contains(Capabilities::LOCAL_FILES) => {
                Err(self.violation(payload))
            }
            Some(&LOCAL_INFILE) => {
                self.state = State::LocalInfile;
                Ok(Seen::LocalInfile)
            }
            Some(_) => {
                let count = Reader::new(payload).lenenc().filter(|count| (1..u64::MAX).contains(count));
                let count = count.ok_or_else(|| self.violation(payload))?;
                self.state = State::Columns(count);
                self.rows = Some(0);
                Ok(Seen::ColumnCount(count))
            }
            None => Err(self.violation(payload)),
        }
    }

    /// With a cursor that was asked for the rows are not sent now: the EOF behind the columns ends the reply. The flag
    /// alone does not say so: a cursor that a stored procedure has open sets it as well, and then rows follow.
    fn on_columns_end<'a>(&mut self, payload: &'a [u8]) -> Result<Seen<'a>, ProtocolViolation> {
        let seen = self.eof_or_ok(payload)?;
        let says_cursor = matches!(seen, Seen::Eof { status, .. } if status.contains(StatusFlags::CURSOR_EXISTS));
        self.state = if says_cursor && self.may_open_cursor { State::Done } else { State::Rows };
        Ok(seen)
    }

    fn on_end<'a>(&mut self, payload: &'a [u8]) -> Result<Seen<'a>, ProtocolViolation> {
        let seen = self.eof_or_ok(payload)?;
        let status = match seen {
            Seen::Ok(ok) => ok.status,
            Seen::Eof { status, .. } => status,
            _ => StatusFlags::empty(),
        };
        self.state = if status.contains(StatusFlags::MORE_RESULTS_EXISTS) { State::First } else { State::Done };
        Ok(seen)
    }

    fn eof_or_ok<'a>(&self, payload: &'a [u8]) -> Result<Seen<'a>, ProtocolViolation> {
        let classic = payload.first() == Some(&EOF) && payload.len() < 7;
        let seen = if classic {
            parse_eof(payload).map(|(warnings, status)| Seen::Eof { warnings, status })
        } else {
            OkPacket::parse(payload, self.capabilities).map(Seen::Ok)
        };
        seen.ok_or_else(|| self.violation(payload))
    }

    fn on_prepare_first<'a>(&mut self, payload: &'a [u8]) -> Result<Seen<'a>, ProtocolViolation> {
        let prepared = PrepareOk::parse(payload).ok_or_else(|| self.violation(payload))?;
        let (params, columns) = (u64::from(prepared.params), u64::from(prepared.columns));
        self.state = match (params, columns) {
            (0, 0) => State::Done,
            (0, now) => State::PrepareDefinitions { now, next: 0 },
            (now, next) => State::PrepareDefinitions { now, next },
        };
        Ok(Seen::Prepared(prepared))
    }

    const fn violation(&self, payload: &[u8]) -> ProtocolViolation {
        let state = match self.state {
            State::First => "first",
            State::Columns(_) | State::ColumnsEnd => "columns",
            State::Rows => "rows",
            State::PrepareFirst | State::PrepareDefinitions { .. } | State::PrepareEnd { .. } => "prepare",
            State::Acknowledgement => "acknowledgement",
            State::Text => "text",
            State::LocalInfile => "local infile",
            State::Done => "done",
        };
        ProtocolViolation { len: payload.len(), state }
    }
}

impl PrepareOk {
    /// Reads the payload.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        if reader.u8()? != OK {
            return None;
        }
        let (statement_id, columns, params) = (reader.u32()?, reader.u16()?, reader.u16()?);
        reader.u8()?;
        Some(PrepareOk { statement_id, columns, params, warnings: reader.u16().unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::packet::put_message;
    use proptest::prelude::*;

    /// Feeds whole packets; returns how many were asked for whole and whether the reply is complete.
    fn feed(shape: Shape, capabilities: Capabilities, payloads: &[&[u8]]) -> (usize, bool) {
        let mut response = Response::new(shape, capabilities);
        let mut whole = 0;
        for payload in payloads {
            assert!(!response.is_done(), "a packet after the end");
            let header = Header { len: payload.len(), seq: 0 };
            if response.on_header(header, payload.first().copied()) == Need::Whole {
                whole += 1;
                response.on_payload(payload).unwrap();
            }
        }
        (whole, response.is_done())
    }

    const NONE: Capabilities = Capabilities::empty();
    const DEPRECATE: Capabilities = Capabilities::DEPRECATE_EOF;
    const OK_PACKET: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
    const EOF_PACKET: &[u8] = &[0xfe, 0, 0, 2, 0];
    const EOF_MORE: &[u8] = &[0xfe, 0, 0, 0x0a, 0];
    const EOF_CURSOR: &[u8] = &[0xfe, 0, 0, 0x42, 0];
    const EOF_CURSOR_MORE: &[u8] = &[0xfe, 0, 0, 0x4a, 0];
    const OK_END: &[u8] = &[0xfe, 0, 0, 2, 0, 0, 0];
    const ERR_PACKET: &[u8] = b"\xff\x10\x04#08004no";

    #[test]
    fn replies_end_where_they_end() {
        let cases: &[(Shape, Capabilities, &[&[u8]])] = &[
            (Shape::Results, NONE, &[OK_PACKET]),
            (Shape::Results, NONE, &[ERR_PACKET]),
            (Shape::Results, NONE, &[&[2], b"\x03def", b"\x03def", EOF_PACKET, b"\x01a\x01b", EOF_PACKET]),
            (Shape::Results, NONE, &[&[1], b"\x03def", EOF_PACKET, ERR_PACKET]),
            (Shape::Results, NONE, &[&[1], b"\x03def", EOF_PACKET, EOF_MORE, OK_PACKET]),
            (Shape::Cursor, NONE, &[&[1], b"\x03def", EOF_CURSOR]),
            (Shape::Cursor, NONE, &[&[1], b"\x03def", EOF_PACKET, b"\x01a", EOF_PACKET]),
            (Shape::Results, NONE, &[&[1], b"\x03def", EOF_CURSOR, b"\x01a", EOF_CURSOR_MORE, OK_PACKET]),
            (Shape::Results, DEPRECATE, &[&[1], b"\x03def", b"\x01a", OK_END]),
            (Shape::Results, DEPRECATE, &[&[1], b"\x03def", OK_END]),
            (Shape::Prepare, NONE, &[&[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]),
            (
                Shape::Prepare,
                NONE,
                &[&[0, 1, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], b"?", b"?", EOF_PACKET, b"\x03def", EOF_PACKET],
            ),
            (Shape::Prepare, DEPRECATE, &[&[0, 1, 0, 0, 0, 1, 0, 2, 0, 0, 0, 0], b"?", b"?", b"\x03def"]),
            (Shape::Fields, NONE, &[b"\x03def", b"\x03def", EOF_PACKET]),
            (Shape::Fields, DEPRECATE, &[b"\x03def", b"\xfe\0\0\x02\x40\x01\0\0\x04\x02\x02\x011"]),
            (Shape::Rows, NONE, &[&[0, 1], &[0, 2], EOF_PACKET]),
            (Shape::Text, NONE, &[b"Uptime: 7"]),
            (Shape::Acknowledgement, NONE, &[EOF_PACKET]),
        ];
        for (shape, capabilities, payloads) in cases {
            assert!(feed(*shape, *capabilities, payloads).1, "{shape:?} {payloads:?}");
        }
    }

    #[test]
    fn rows_are_not_asked_for() {
        let (whole, done) = feed(Shape::Results, NONE, &[&[1], b"\x03def", EOF_PACKET, b"\x01a", b"\x01b", EOF_PACKET]);
        assert_eq!((whole, done), (3, true));
    }

    #[test]
    fn a_row_of_sixteen_mebibytes_that_begins_like_an_end_is_a_row() {
        let mut response = Response::new(Shape::Rows, DEPRECATE);
        assert_eq!(response.on_header(Header { len: MAX_PAYLOAD, seq: 1 }, Some(EOF)), Need::Skip);
        assert_eq!(response.on_header(Header { len: 5, seq: 2 }, Some(EOF)), Need::Skip, "a continuation");
        assert_eq!(response.on_header(Header { len: 7, seq: 3 }, Some(EOF)), Need::Whole);
    }

    #[test]
    fn a_client_file_is_asked_for_and_answered() {
        let mut response = Response::new(Shape::Results, NONE);
        response.on_header(Header { len: 3, seq: 1 }, Some(LOCAL_INFILE));
        assert!(response.on_payload(b"\xfb/x").is_err(), "files were not offered");
        let mut response = Response::new(Shape::Results, Capabilities::LOCAL_FILES);
        response.on_header(Header { len: 3, seq: 1 }, Some(LOCAL_INFILE));
        assert_eq!(response.on_payload(b"\xfb/x"), Ok(Seen::LocalInfile));
        assert!(response.wants_file());
        response.file_sent();
        response.on_header(Header { len: 7, seq: 4 }, Some(0));
        response.on_payload(OK_PACKET).unwrap();
        assert!(response.is_done());
    }

    proptest! {
        #[test]
        fn arbitrary_packets_never_panic(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..12), 0..40),
            deprecate: bool, shape in 0usize..7,
        ) {
            let shape = [
                Shape::Results, Shape::Cursor, Shape::Prepare, Shape::Acknowledgement, Shape::Fields, Shape::Rows, Shape::Text,
            ][shape];
            let mut response = Response::new(shape, if deprecate { DEPRECATE } else { NONE });
            let mut out = Vec::new();
            for payload in &payloads {
                put_message(&mut out, 0, payload);
                let header = Header { len: payload.len(), seq: 0 };
                if response.on_header(header, payload.first().copied()) == Need::Whole
                    && response.on_payload(payload).is_err() { break; }
            }
        }
    }
}
