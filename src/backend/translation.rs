//! A reply whose rows are shown with other connections' ids than the member's. The one place where rows are decoded: for
//! statements that read ids from the server's own tables, and no others.
//!
//! Knows where definitions and rows are in a reply. Must not know whose an id is, nor what a packet says of the session.

use std::collections::HashMap;

use super::walk::{Step, Walk};
use crate::wire::{
    Capabilities, HEADER_LEN, Header,
    id_columns::{Column, Encoding, Holds, Shown, shown, without_sign},
    packet::put_message,
    response::{Need, ProtocolViolation, Response, Seen, Shape},
};

/// See the module.
#[derive(Debug)]
pub struct Translation {
    /// What is shown in place of a member's id.
    shown: HashMap<u32, Shown>,
    /// Columns that are ids by what the statement says, whatever they are called.
    named: Vec<usize>,
    encoding: Encoding,
    response: Response,
    /// Of the result at hand: its columns so far, and how many there will be.
    columns: Vec<Column>,
    expected: u64,
    /// The last packet goes on in the next one; such long rows stay as they are.
    continued: bool,
    /// Bytes that the packet at the front needs before it can be dealt with; 0: any.
    pub(super) wanted: usize,
}

impl Translation {
    /// Of the reply to a statement on a connection that agreed on these capabilities.
    #[must_use]
    pub fn new(shown: HashMap<u32, Shown>, named: Vec<usize>, encoding: Encoding, member: Capabilities) -> Self {
        Translation {
            shown,
            named,
            encoding,
            response: Response::new(Shape::Results, member),
            columns: Vec::new(),
            expected: 0,
            continued: false,
            wanted: 0,
        }
    }

    /// The member's id of the connection that is shown under this one.
    #[must_use]
    pub fn thread_of(&self, id: u32) -> Option<u32> {
        self.shown.iter().find(|(_, shown)| shown.id == id).map(|(thread_id, _)| *thread_id)
    }

    /// Deals with the whole packets of the chunk, as [`Walk::step`] does.
    pub(super) fn step(&mut self, walk: &mut Walk<'_>, chunk: &mut [u8]) -> Result<Step, ProtocolViolation> {
        let (mut at, mut out) = (0, Vec::new());
        self.wanted = 0;
        while !walk.is_done() && !walk.wants_file() {
            let Some(header) = chunk.get(at..).and_then(Header::parse) else { break };
            let end = at + header.total();
            let Some(packet) = chunk.get_mut(at..end) else {
                self.wanted = header.total();
                break;
            };
            let replaced = self.replaced(header, &packet[HEADER_LEN..]);
            let step = walk.step(packet)?;
            match (replaced, step) {
                (Some(payload), _) => drop(put_message(&mut out, header.seq, &payload)),
                (None, Step::Replace(_, bytes)) => out.extend_from_slice(&bytes),
                (None, Step::Pass(_)) => out.extend_from_slice(packet),
            }
            at = end;
        }
        Ok(Step::Replace(at, out))
    }

    /// The payload in place of this one.
    fn replaced(&mut self, header: Header, payload: &[u8]) -> Option<Vec<u8>> {
        let is_part = std::mem::replace(&mut self.continued, header.is_continued()) || header.is_continued();
        if self.response.on_header(header, payload.first().copied()) == Need::Whole {
            // What is wrong with it is said by the walk.
            if let Ok(Seen::ColumnCount(count)) = self.response.on_payload(payload) {
                self.columns.clear();
                self.expected = count;
            }
            return None;
        }
        if is_part {
            return None;
        }
        if (self.columns.len() as u64) < self.expected {
            return self.definition(payload);
        }
        shown(payload, &self.columns, self.encoding, |id| self.shown.get(&id))
    }

    fn definition(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        let mut column = Column::read(payload);
        if self.named.contains(&self.columns.len()) {
            column.holds = Holds::Id;
        }
        self.columns.push(column);
        (column.holds == Holds::Id).then(|| {
            let mut definition = payload.to_vec();
            without_sign(&mut definition);
            definition
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::walk::Rewrite;
    use super::*;
    use crate::wire::{StatusFlags, reader::put_lenenc_bytes};

    fn definition(name: &str, kind: u8) -> Vec<u8> {
        let mut out = Vec::new();
        for part in ["def", "", "", "", name, ""] {
            put_lenenc_bytes(&mut out, part.as_bytes());
        }
        out.extend_from_slice(&[0x0c, 63, 0, 10, 0, 0, 0, kind, 0, 0, 0, 0, 0]);
        out
    }

    fn reply(ids: [&str; 3]) -> Vec<u8> {
        let mut out = Vec::new();
        let end: &[u8] = &[0xfe, 0, 0, 2, 0];
        let row = |id: &str, rest: &[u8]| [&[id.len() as u8], id.as_bytes(), rest].concat();
        let packets: [&[u8]; 9] = [
            &[2],
            &definition("Id", 8),
            &definition("5", 3),
            end,
            &row(ids[0], b"\x015"),
            &row(ids[1], b"\x015"),
            &row(ids[2], b"\x015"),
            &row("9", b"\xfb"),
            end,
        ];
        packets.iter().fold(1, |seq, packet| put_message(&mut out, seq, packet));
        out
    }

    #[test]
    fn however_it_is_chunked_the_ids_are_the_shown_ones() {
        let rewrite = Rewrite {
            made_up: None,
            client: Capabilities::empty(),
            member: Capabilities::empty(),
            statement_id: None,
            status: StatusFlags::empty(),
            replace_error: |_, _| None,
        };
        let shown = |id| Shown { id, host: String::new(), host_alone: String::new() };
        for size in [1, 3, 7, 40, 1000] {
            let ids = HashMap::from([(5, shown(0x8000_0001)), (6, shown(0x8000_0002))]);
            let mut translation = Translation::new(ids, Vec::new(), Encoding::Text, Capabilities::empty());
            assert_eq!(translation.thread_of(0x8000_0002), Some(6));
            let mut walk = Walk::new(Shape::Results, rewrite);
            let (mut inbox, mut out) = (Vec::new(), Vec::new());
            for chunk in reply(["5", "7", "6"]).chunks(size) {
                inbox.extend_from_slice(chunk);
                let Step::Replace(taken, bytes) = translation.step(&mut walk, &mut inbox).unwrap() else {
                    panic!("it passed")
                };
                inbox.drain(..taken);
                out.extend(bytes);
            }
            assert!(walk.is_done() && inbox.is_empty());
            let mut expected = reply(["2147483649", "7", "2147483650"]);
            // Its numbers have no sign.
            let at = 5 + 4 + definition("Id", 8).len() - 5;
            expected[at] = 32;
            assert_eq!(out, expected, "in chunks of {size}");
        }
    }
}
