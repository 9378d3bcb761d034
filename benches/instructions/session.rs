//! A client as small as can be: it logs in without a password and knows where a reply ends.
//!
//! Knows just enough of the protocol. Must not use the library's protocol code: it is the measure, not the measured.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Long passwords and flags, protocol 4.1, transactions, native passwords by plugin, many results, session trackers: what
/// `libmariadb` agrees on, and so rows end with an EOF.
const CAPABILITIES: u32 = 1 | 1 << 2 | 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 19 | 1 << 23;
const EOF: u8 = 0xfe;
const ERR: u8 = 0xff;
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Session {
    stream: TcpStream,
    input: Vec<u8>,
    statement_id: [u8; 4],
    /// Statements so far.
    pub said: usize,
}

impl Session {
    pub fn log_in(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut session = Session { stream, input: Vec::new(), statement_id: [0; 4], said: 0 };
        session.packet()?;
        let mut login = CAPABILITIES.to_le_bytes().to_vec();
        login.extend((1_u32 << 24).to_le_bytes());
        login.push(45);
        login.extend([0; 23]);
        login.extend(b"app\0\0mysql_native_password\0");
        session.send(1, &login)?;
        let answer = session.packet()?;
        fail_if_error(&answer)?;
        Ok(session)
    }

    /// `COM_QUERY`
    pub fn say(&mut self, sql: &str) -> io::Result<()> {
        self.send(0, &[b"\x03", sql.as_bytes()].concat())
    }

    /// `COM_STMT_PREPARE` with its whole reply.
    pub fn prepare(&mut self, sql: &str) -> io::Result<()> {
        self.send(0, &[b"\x16", sql.as_bytes()].concat())?;
        let answer = self.packet()?;
        fail_if_error(&answer)?;
        let [_, id @ .., c0, c1, p0, p1] = *answer.first_chunk::<9>().ok_or(io::ErrorKind::InvalidData)?;
        self.statement_id = id;
        for count in [[p0, p1], [c0, c1]].map(u16::from_le_bytes) {
            let with_end = if count > 0 { count + 1 } else { 0 };
            (0..with_end).try_for_each(|_| self.packet().map(drop))?;
        }
        Ok(())
    }

    /// `COM_STMT_EXECUTE` with one parameter, a `BIGINT`.
    pub fn execute(&mut self, parameter: i64) -> io::Result<()> {
        let id = self.statement_id;
        let head = [0x17, id[0], id[1], id[2], id[3], 0, 1, 0, 0, 0, 0, 1, 8, 0];
        self.send(0, &[head.as_slice(), &parameter.to_le_bytes()].concat())
    }

    /// Reads a whole reply.
    pub fn hear(&mut self) -> io::Result<()> {
        let first = self.packet()?;
        fail_if_error(&first)?;
        if first.first() == Some(&0) {
            return Ok(());
        }
        // One EOF behind the columns, one behind the rows.
        let mut ends = 0;
        while ends < 2 {
            let packet = self.packet()?;
            fail_if_error(&packet)?;
            ends += usize::from(packet.first() == Some(&EOF) && packet.len() < 9);
        }
        Ok(())
    }

    fn send(&mut self, sequence: u8, payload: &[u8]) -> io::Result<()> {
        let [a, b, c, _] = u32::try_from(payload.len()).unwrap_or_default().to_le_bytes();
        self.stream.write_all(&[&[a, b, c, sequence], payload].concat())
    }

    fn packet(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let [a, b, c, _, rest @ ..] = self.input.as_slice() {
                let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
                if let Some(payload) = rest.get(..length) {
                    let payload = payload.to_vec();
                    self.input.drain(..4 + length);
                    return Ok(payload);
                }
            }
            let mut some = [0; 4096];
            match self.stream.read(&mut some)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                count => self.input.extend(&some[..count]),
            }
        }
    }
}

fn fail_if_error(packet: &[u8]) -> io::Result<()> {
    match packet.first() {
        Some(&ERR) => Err(io::Error::other(String::from_utf8_lossy(packet).into_owned())),
        _ => Ok(()),
    }
}
