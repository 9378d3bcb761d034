//! Clients that vanish, never read, and stop in the middle.
//!
//! Knows what each does wrong. Must not know what becomes of it: the proxy has to get rid of every one by itself, which
//! is why those of the last turn keep their sockets until the figures have been taken.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mysql_proxy::wire::{Capabilities, Command};
use socket2::SockRef;

use crate::support::raw::{Raw, USUAL, Who, greeted};

/// What a client does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Resets its connection while it is idle, or while its statement runs.
    Resets,
    LeavesDuringSleep,
    NeverReads,
    ReadsAPart,
    StopsInTheMiddleOfACommand,
    StopsInTheMiddleOfAnUpload,
    StopsBetweenPartsOfAnUpload,
    NeverSendsItsLocalFile,
    FallsSilentInATransaction,
    FallsSilentWhenIdle,
    FallsSilentBeforeItsLogin,
}

pub const ALL: [Fault; 11] = [
    Fault::Resets,
    Fault::LeavesDuringSleep,
    Fault::NeverReads,
    Fault::ReadsAPart,
    Fault::StopsInTheMiddleOfACommand,
    Fault::StopsInTheMiddleOfAnUpload,
    Fault::StopsBetweenPartsOfAnUpload,
    Fault::NeverSendsItsLocalFile,
    Fault::FallsSilentInATransaction,
    Fault::FallsSilentWhenIdle,
    Fault::FallsSilentBeforeItsLogin,
];

/// How long a client keeps its useless connection before it begins anew.
const HOLDS_ON: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(20);
/// 40 MB: more than all the kernel's buffers between a member and a client hold.
const MUCH: &[u8] = b"SELECT REPEAT('x', 100000) FROM t LIMIT 400";
/// The longest packet there is, behind which another one must come.
const LONGEST: usize = 0xff_ffff;

/// What all careless clients share.
#[derive(Default)]
pub struct Crowd {
    is_over: AtomicBool,
    /// The connections that nobody has closed.
    held: Mutex<Vec<Raw>>,
}

impl Crowd {
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Does the same wrong until the end; gives how often.
    pub fn misbehave(&self, fault: Fault, proxy: SocketAddr) -> u64 {
        for turn in 0.. {
            let held = fault.commit(proxy, turn).ok().flatten();
            let until = Instant::now() + if held.is_some() { HOLDS_ON } else { Duration::from_millis(100) };
            while Instant::now() < until && !self.is_over() {
                thread::sleep(STEP);
            }
            if self.is_over() {
                self.held.lock().unwrap().extend(held.filter(|_| fault.is_ended_by_the_proxy()));
                return turn + 1;
            }
        }
        0
    }
}

fn session(proxy: SocketAddr) -> io::Result<Raw> {
    // A refusal, while a member cannot be reached, is as good as a connection that broke.
    let who = Who { capabilities: USUAL | Capabilities::LOCAL_FILES, ..Who::named("app") };
    Raw::try_connect(proxy, &who)?.map_err(|error| io::Error::other(error.to_string()))
}

fn reset(raw: &Raw) -> io::Result<()> {
    SockRef::from(&raw.writer()).set_linger(Some(Duration::ZERO))
}

impl Fault {
    /// Whether the proxy gets rid of it. A session's `wait_timeout` is not obeyed yet: until then idle clients stay.
    fn is_ended_by_the_proxy(self) -> bool {
        !matches!(self, Self::FallsSilentInATransaction | Self::FallsSilentWhenIdle)
    }

    /// Does it once; gives the connection if it is still there.
    fn commit(self, proxy: SocketAddr, turn: u64) -> io::Result<Option<Raw>> {
        if self == Self::FallsSilentBeforeItsLogin {
            return Ok(greeted(proxy)?.ok());
        }
        let mut raw = session(proxy)?;
        match self {
            Self::Resets => {
                match turn % 3 {
                    0 => drop(raw.try_say("SELECT COUNT(*) FROM t")?),
                    1 => raw.send(Command::Query, b"SELECT SLEEP(600)")?,
                    _ => drop(raw.try_say("BEGIN; UPDATE t SET b = b WHERE a = 1")?),
                }
                reset(&raw)?;
                return Ok(None);
            }
            Self::LeavesDuringSleep => {
                let text = ["SELECT SLEEP(600)", "DO SLEEP(600)", "INSERT INTO slept SELECT SLEEP(600)"];
                raw.send(Command::Query, text[turn as usize % text.len()].as_bytes())?;
                thread::sleep(Duration::from_millis(50));
                return Ok(None);
            }
            Self::NeverReads => raw.send(Command::Query, MUCH)?,
            Self::ReadsAPart => {
                raw.send(Command::Query, MUCH)?;
                for _ in 0..20 {
                    raw.read()?;
                }
            }
            Self::StopsInTheMiddleOfACommand => raw.write_bytes(b"\x40\x00\x00\x00\x03SELECT ")?,
            Self::StopsInTheMiddleOfAnUpload => upload(&mut raw, 6 << 20)?,
            Self::StopsBetweenPartsOfAnUpload => upload(&mut raw, LONGEST)?,
            Self::NeverSendsItsLocalFile => {
                raw.send(Command::Query, b"LOAD DATA LOCAL INFILE '/nowhere' INTO TABLE slept")?;
                let asked = raw.read()?.payload.first() == Some(&0xfb);
                assert!(asked || turn > 0, "a file is asked for");
            }
            Self::FallsSilentInATransaction => {
                raw.try_say("SET SESSION wait_timeout = 3")?;
                raw.try_say("BEGIN; UPDATE t SET b = b WHERE a = 2")?;
            }
            Self::FallsSilentWhenIdle => drop(raw.try_say("SET SESSION wait_timeout = 3")?),
            Self::FallsSilentBeforeItsLogin => {}
        }
        Ok(Some(raw))
    }
}

/// Sends so many bytes of a statement that is longer than one packet.
fn upload(raw: &mut Raw, length: usize) -> io::Result<()> {
    let mut bytes = vec![0xff, 0xff, 0xff, 0x00, 0x03];
    bytes.extend_from_slice(b"INSERT INTO slept SELECT LENGTH('");
    bytes.resize(length + 4, b'x');
    raw.write_bytes(&bytes)
}
