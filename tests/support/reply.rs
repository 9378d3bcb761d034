//! Whole replies: where they end, and what they say as text.
//!
//! Finds the end of a reply on its own, not by the proxy's state machine, which is what it must judge.

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;

use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::ok::{OkPacket, parse_eof};
use mysql_proxy::wire::reader::Reader;
use mysql_proxy::wire::{Capabilities, Command, StatusFlags};

use super::raw::{Message, Raw};

/// What kind of reply a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Result sets, OK or ERR.
    Results,
    /// The same where a cursor was asked for, which may keep the rows.
    Cursor,
    /// Rows, as after a fetch from a cursor.
    Rows,
    /// A prepared statement.
    Prepare,
    /// Columns until EOF.
    Fields,
    /// One message.
    One,
}

/// What a message of a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The number of columns.
    Count,
    /// A column's definition.
    Column,
    /// A row.
    Row,
    /// OK, EOF or ERR, or the only message.
    End,
}

impl Raw {
    /// Sends a command and gives every message of its reply.
    pub fn ask(&mut self, command: Command, argument: &[u8], kind: Kind) -> io::Result<Vec<Message>> {
        self.send(command, argument)?;
        let mut messages = Vec::new();
        self.visit(kind, &mut |_, message| messages.push(message))?;
        Ok(messages)
    }

    /// Shows every message of a reply as it comes.
    pub fn visit(&mut self, kind: Kind, each: &mut dyn FnMut(Part, Message)) -> io::Result<()> {
        match kind {
            Kind::Results | Kind::Cursor => {
                while self.visit_result(kind, each)?.contains(StatusFlags::MORE_RESULTS_EXISTS) {}
            }
            Kind::Rows => drop(self.visit_rows(each)?),
            Kind::Fields => loop {
                let message = self.read()?;
                let ends = is_end(&message, false) || message.payload[0] == 0xff;
                each(if ends { Part::End } else { Part::Column }, message);
                if ends {
                    break;
                }
            },
            Kind::One => each(Part::End, self.read()?),
            Kind::Prepare => self.visit_prepare(each)?,
        }
        Ok(())
    }

    fn visit_result(&mut self, kind: Kind, each: &mut dyn FnMut(Part, Message)) -> io::Result<StatusFlags> {
        let first = self.read()?;
        let status = match first.payload[0] {
            0xff => StatusFlags::empty(),
            0x00 => OkPacket::parse(&first.payload, self.capabilities).unwrap().status,
            0xfb => {
                each(Part::End, first.clone());
                self.write(first.seqs[0].wrapping_add(1), b"")?;
                return self.visit_result(kind, each);
            }
            _ => {
                let count = Reader::new(&first.payload).lenenc().unwrap();
                each(Part::Count, first);
                for _ in 0..count {
                    each(Part::Column, self.read()?);
                }
                if !self.capabilities.contains(Capabilities::DEPRECATE_EOF) {
                    let end = self.read()?;
                    let status = parse_eof(&end.payload).map(|(_, status)| status);
                    each(Part::End, end);
                    // An error may come in the place of the rows.
                    let Some(status) = status else { return Ok(StatusFlags::empty()) };
                    if kind == Kind::Cursor && status.contains(StatusFlags::CURSOR_EXISTS) {
                        return Ok(status);
                    }
                }
                return self.visit_rows(each);
            }
        };
        each(Part::End, first);
        Ok(status)
    }

    fn visit_rows(&mut self, each: &mut dyn FnMut(Part, Message)) -> io::Result<StatusFlags> {
        let deprecate_eof = self.capabilities.contains(Capabilities::DEPRECATE_EOF);
        loop {
            let message = self.read()?;
            if message.payload.first() == Some(&0xff) {
                each(Part::End, message);
                return Ok(StatusFlags::empty());
            }
            if is_end(&message, deprecate_eof) {
                let status = match parse_eof(&message.payload) {
                    Some((_, status)) if !deprecate_eof => status,
                    _ => OkPacket::parse(&message.payload, self.capabilities).unwrap().status,
                };
                each(Part::End, message);
                return Ok(status);
            }
            each(Part::Row, message);
        }
    }

    fn visit_prepare(&mut self, each: &mut dyn FnMut(Part, Message)) -> io::Result<()> {
        let first = self.read()?;
        let mut reader = Reader::new(&first.payload);
        let failed = reader.u8() == Some(0xff);
        let (_, columns, params) = (reader.u32(), reader.u16(), reader.u16());
        each(Part::End, first);
        for count in [params, columns] {
            let count = count.filter(|_| !failed).unwrap_or(0);
            for _ in 0..count {
                each(Part::Column, self.read()?);
            }
            if count > 0 && !self.capabilities.contains(Capabilities::DEPRECATE_EOF) {
                each(Part::End, self.read()?);
            }
        }
        Ok(())
    }

    /// Runs a text statement; what it says in one line of text: values between blanks, rows between bars, results
    /// between semicolons, `OK`, or the error.
    pub fn say(&mut self, sql: &str) -> String {
        self.try_say(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The same, when the connection may break.
    pub fn try_say(&mut self, sql: &str) -> io::Result<String> {
        self.send(Command::Query, sql.as_bytes())?;
        self.hear()
    }

    /// The rest of [`Raw::say`] for a command that was sent already.
    pub fn hear(&mut self) -> io::Result<String> {
        let mut said = Said::default();
        self.visit(Kind::Results, &mut |part, message| said.add(part, &message.payload))?;
        Ok(said.text)
    }

    /// The one number that a statement gives.
    pub fn number(&mut self, sql: &str) -> u64 {
        let said = self.say(sql);
        said.parse().unwrap_or_else(|_| panic!("{sql}: {said}"))
    }

    /// The member that served this session's previous statement, as the proxy says.
    pub fn served_by(&mut self) -> SocketAddr {
        let route = self.say("SHOW PROXY ROUTE");
        route.split(' ').nth(1).and_then(|address| address.parse().ok()).unwrap_or_else(|| panic!("{route}"))
    }

    /// Runs a statement that must succeed without rows.
    pub fn run(&mut self, sql: &str) {
        assert_eq!(self.say(sql), "OK", "{sql}");
    }

    /// Runs a statement whose OK is wanted: affected rows, last insert id, warnings.
    pub fn change(&mut self, sql: &str) -> (u64, u64, u16) {
        let reply = self.ask(Command::Query, sql.as_bytes(), Kind::Results).unwrap();
        let ok = OkPacket::parse(&reply[0].payload, self.capabilities).unwrap_or_else(|| panic!("{sql}: {reply:?}"));
        assert_eq!(ok.first, 0, "{sql}: {reply:?}");
        (ok.affected_rows, ok.last_insert_id, ok.warnings)
    }
}

#[derive(Default)]
struct Said {
    text: String,
    in_rows: bool,
    has_row: bool,
}

impl Said {
    fn add(&mut self, part: Part, payload: &[u8]) {
        match part {
            Part::Count => {
                self.separate();
                self.in_rows = true;
                self.has_row = false;
            }
            Part::Column => {}
            Part::Row => {
                if std::mem::replace(&mut self.has_row, true) {
                    self.text.push('|');
                }
                self.row(payload);
            }
            Part::End if payload[0] == 0xff => {
                self.separate();
                let error = SqlError::parse(payload).unwrap();
                write!(self.text, "ERROR {error}").unwrap();
            }
            Part::End if payload[0] == 0xfe => self.in_rows = self.has_row,
            Part::End => {
                self.separate();
                self.text.push_str("OK");
            }
        }
    }

    fn separate(&mut self) {
        if !self.text.is_empty() {
            self.text.push(';');
        }
    }

    fn row(&mut self, payload: &[u8]) {
        let mut reader = Reader::new(payload);
        let mut first = true;
        while !reader.is_empty() {
            if !std::mem::replace(&mut first, false) {
                self.text.push(' ');
            }
            match reader.text_column().unwrap() {
                Some(value) => self.text.push_str(&String::from_utf8_lossy(value)),
                None => self.text.push_str("NULL"),
            }
        }
    }
}

fn is_end(message: &Message, deprecate_eof: bool) -> bool {
    let limit = if deprecate_eof { 0xff_ff_ff } else { 9 };
    message.payload.first() == Some(&0xfe) && message.payload.len() < limit
}
