//! A `MySQL` server that does no work: any account comes in, and every question has a ready answer.
//!
//! Knows just enough of the protocol to satisfy sysbench and a proxy, so that what is left of a query's cost is the
//! cost of what stands in front. Must not use the library's protocol code: it is the measure, not the measured.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const DEPRECATE_EOF: u32 = 1 << 24;
/// Long passwords and flags, a database at connect, protocol 4.1, transactions, native passwords by plugin, many
/// results, session trackers, no EOF packets.
const CAPABILITIES: u32 =
    1 | 1 << 2 | 1 << 3 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 16 | 1 << 17 | 1 << 18 | 1 << 19 | 1 << 23 | DEPRECATE_EOF;
const IN_TRANSACTION: u16 = 1;
const AUTOCOMMIT: u16 = 2;
/// As wide as sysbench's column `c`.
const VALUE: &[u8] = &[b'7'; 119];

/// Serves until the process ends.
pub fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    for (id, stream) in (1_u32..).zip(listener.incoming()) {
        let stream = stream?;
        stream.set_nodelay(true)?;
        // A connection that breaks concerns nobody else.
        thread::Builder::new().stack_size(128 << 10).spawn(move || drop(Connection::new(stream).run(id)))?;
    }
    Ok(())
}

/// What a statement is answered with.
#[derive(Clone, Copy)]
enum Answer {
    Ok(Effect),
    /// One row; as many columns as were asked for.
    Row(usize),
    /// One row with the variables that were asked for, as a primary without GTIDs has them.
    Variables,
    /// One column and no row: `SHOW …`.
    Nothing,
}

#[derive(Clone, Copy)]
enum Effect {
    Begin,
    End,
    None,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Text,
    Binary,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    used: usize,
    output: Vec<u8>,
    sequence: u8,
    capabilities: u32,
    status: u16,
    prepared: Vec<Answer>,
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: vec![0; 16 << 10],
            filled: 0,
            used: 0,
            output: Vec::with_capacity(4 << 10),
            sequence: 0,
            capabilities: 0,
            status: AUTOCOMMIT,
            prepared: Vec::new(),
        }
    }

    fn run(mut self, id: u32) -> io::Result<()> {
        self.packet(&greeting(id));
        self.flush()?;
        let login = self.read()?;
        let Some(bits) = login.first_chunk::<4>() else { return Ok(()) };
        self.capabilities = u32::from_le_bytes(*bits) & CAPABILITIES;
        self.ok();
        self.flush()?;
        loop {
            let command = self.read()?;
            let Some((&kind, argument)) = command.split_first() else { return Ok(()) };
            match kind {
                0x01 => return Ok(()),
                0x03 => self.answer(understand(argument), argument, Format::Text),
                0x09 => self.packet(b"Uptime: 1"),
                0x16 => self.prepare(argument),
                0x17 => self.execute(argument),
                0x18 | 0x19 => continue,
                _ => self.ok(),
            }
            self.flush()?;
        }
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        loop {
            let pending = &self.input[self.used..self.filled];
            if let [a, b, c, sequence, rest @ ..] = pending {
                let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
                self.sequence = sequence.wrapping_add(1);
                if let Some(payload) = rest.get(..length) {
                    let payload = payload.to_vec();
                    self.used += 4 + length;
                    return Ok(payload);
                }
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.input.copy_within(self.used..self.filled, 0);
        self.filled -= self.used;
        self.used = 0;
        if self.filled == self.input.len() {
            self.input.resize(self.filled * 2, 0);
        }
        match self.stream.read(&mut self.input[self.filled..])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.filled += count;
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.output)?;
        self.output.clear();
        Ok(())
    }

    fn packet(&mut self, payload: &[u8]) {
        let [a, b, c, _] = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
        self.output.extend([a, b, c, self.sequence]);
        self.output.extend(payload);
        self.sequence = self.sequence.wrapping_add(1);
    }

    fn ok(&mut self) {
        let [low, high] = self.status.to_le_bytes();
        self.packet(&[0, 0, 0, low, high, 0, 0]);
    }

    /// The packet behind columns (`EOF` only) or behind rows (`OK` in its place when that was agreed).
    fn end_of_columns(&mut self) {
        if self.capabilities & DEPRECATE_EOF == 0 {
            let [low, high] = self.status.to_le_bytes();
            self.packet(&[0xfe, 0, 0, low, high]);
        }
    }

    fn end_of_rows(&mut self) {
        if self.capabilities & DEPRECATE_EOF == 0 {
            return self.end_of_columns();
        }
        let [low, high] = self.status.to_le_bytes();
        self.packet(&[0xfe, 0, 0, low, high, 0, 0]);
    }

    fn answer(&mut self, answer: Answer, statement: &[u8], format: Format) {
        match answer {
            Answer::Ok(effect) => {
                self.status = match effect {
                    Effect::Begin => self.status | IN_TRANSACTION,
                    Effect::End => self.status & !IN_TRANSACTION,
                    Effect::None => self.status,
                };
                self.ok();
            }
            Answer::Row(columns) => {
                self.columns(&vec![b"c".as_slice(); columns]);
                self.row(&vec![VALUE; columns], format);
                self.end_of_rows();
            }
            Answer::Variables => {
                let names = selected(statement);
                self.columns(&names);
                self.row(&names.iter().copied().map(variable).collect::<Vec<_>>(), format);
                self.end_of_rows();
            }
            Answer::Nothing => {
                self.columns(&[b"c"]);
                self.end_of_rows();
            }
        }
    }

    fn columns(&mut self, names: &[&[u8]]) {
        self.packet(&[names.len() as u8]);
        for name in names {
            self.packet(&column(name));
        }
        self.end_of_columns();
    }

    fn row(&mut self, values: &[&[u8]], format: Format) {
        let mut row = Vec::with_capacity(256);
        if format == Format::Binary {
            // A packet's first byte, and no bit set for any NULL.
            row.resize(1 + (values.len() + 9) / 8, 0);
        }
        for value in values {
            row.push(value.len() as u8);
            row.extend(*value);
        }
        self.packet(&row);
    }

    fn prepare(&mut self, statement: &[u8]) {
        let answer = understand(statement);
        self.prepared.push(answer);
        let id = u32::try_from(self.prepared.len()).unwrap_or(u32::MAX).to_le_bytes();
        let parameters = memchr::memchr_iter(b'?', statement).count();
        let columns = match answer {
            Answer::Ok(_) => 0,
            Answer::Row(columns) => columns,
            Answer::Variables => selected(statement).len(),
            Answer::Nothing => 1,
        };
        self.packet(&[0, id[0], id[1], id[2], id[3], columns as u8, 0, parameters as u8, 0, 0, 0, 0]);
        for count in [parameters, columns] {
            if count > 0 {
                (0..count).for_each(|_| self.packet(&column(b"c")));
                self.end_of_columns();
            }
        }
    }

    fn execute(&mut self, argument: &[u8]) {
        let id = argument.first_chunk::<4>().map_or(0, |id| u32::from_le_bytes(*id));
        let answer = self.prepared.get((id as usize).wrapping_sub(1)).copied().unwrap_or(Answer::Row(1));
        self.answer(answer, b"", Format::Binary);
    }
}

/// Looks at the first word, and counts what is selected.
fn understand(statement: &[u8]) -> Answer {
    let start = &statement[..statement.len().min(6)].to_ascii_uppercase();
    match start.as_slice() {
        b"SELECT" if memchr::memmem::find(statement, b"@@").is_some() => Answer::Variables,
        b"SELECT" => {
            let end =
                statement.windows(5).position(|word| word.eq_ignore_ascii_case(b"FROM ")).unwrap_or(statement.len());
            Answer::Row(1 + memchr::memchr_iter(b',', &statement[..end]).count())
        }
        [b'S', b'H', b'O', b'W', ..] => Answer::Nothing,
        b"START " | [b'B', b'E', b'G', b'I', b'N', ..] => Answer::Ok(Effect::Begin),
        b"COMMIT" | b"ROLLBA" => Answer::Ok(Effect::End),
        _ => Answer::Ok(Effect::None),
    }
}

fn greeting(id: u32) -> Vec<u8> {
    let [c0, c1, c2, c3] = CAPABILITIES.to_le_bytes();
    let mut bytes = vec![10];
    bytes.extend(b"8.0.99-instant\0");
    bytes.extend(id.to_le_bytes());
    bytes.extend(b"saltsalt\0");
    bytes.extend([c0, c1, 45, AUTOCOMMIT as u8, 0, c2, c3, 21]);
    bytes.extend([0; 10]);
    bytes.extend(b"saltsaltsalt\0mysql_native_password\0");
    bytes
}

/// What is between `SELECT` and the end: the name behind `AS`, or all of it.
fn selected(statement: &[u8]) -> Vec<&[u8]> {
    let list = statement.get(6..).unwrap_or_default().split(|&byte| byte == b',');
    let name = |item: &[u8]| memchr::memmem::rfind(item, b" AS ").map_or(0, |at| at + 4);
    list.map(|item| item[name(item)..].trim_ascii()).collect()
}

fn variable(name: &[u8]) -> &'static [u8] {
    match name.strip_prefix(b"@@").unwrap_or(name) {
        b"server_id" | b"autocommit" => b"1",
        b"character_set_client" | b"character_set_connection" | b"character_set_results" => b"utf8mb4",
        b"collation_connection" => b"utf8mb4_general_ci",
        b"sql_mode" => b"",
        b"wait_timeout" | b"interactive_timeout" => b"28800",
        name if [b"gtid".as_slice(), b"_pos"].iter().any(|part| memchr::memmem::find(name, part).is_some()) => b"",
        _ => b"0",
    }
}

/// A column of text.
fn column(name: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x03def\0\0\0".to_vec();
    for _ in 0..2 {
        bytes.push(name.len() as u8);
        bytes.extend(name);
    }
    bytes.push(12);
    bytes.extend([45, 0, 0xe0, 1, 0, 0, 0xfe, 0, 0, 0, 0, 0]);
    bytes
}
