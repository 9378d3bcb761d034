//! A client of the protocol that hides nothing: it logs in, sends what it is told, and gives every packet as it came.
//!
//! Knows the connection phase and where messages end. Must not know SQL. Reads give up after a minute, so that a
//! proxy that says nothing fails a test instead of hanging it.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use mysql_proxy::backend::encrypt_password;
use mysql_proxy::wire::auth::{self, FAST_AUTH_OK, FULL_AUTH, REQUEST_PUBLIC_KEY};
use mysql_proxy::wire::err::SqlError;
use mysql_proxy::wire::greeting::{Greeting, GreetingError, Salt};
use mysql_proxy::wire::login::{AUTH_MORE_DATA, AUTH_SWITCH, Login, parse_auth_switch};
use mysql_proxy::wire::packet::put_message;
use mysql_proxy::wire::{Capabilities, Command, Extensions, HEADER_LEN, Header, StatusFlags};

const PATIENCE: Duration = Duration::from_secs(60);

/// What most drivers ask for.
pub const USUAL: Capabilities = Capabilities::LONG_PASSWORD
    .union(Capabilities::LONG_FLAG)
    .union(Capabilities::PROTOCOL_41)
    .union(Capabilities::TRANSACTIONS)
    .union(Capabilities::SECURE_CONNECTION)
    .union(Capabilities::MULTI_STATEMENTS)
    .union(Capabilities::MULTI_RESULTS)
    .union(Capabilities::PS_MULTI_RESULTS)
    .union(Capabilities::PLUGIN_AUTH)
    .union(Capabilities::DEPRECATE_EOF);

/// A message: the sequence number of each of its packets, and their payloads in one.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Sequence numbers.
    pub seqs: Vec<u8>,
    /// Without headers.
    pub payload: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.payload[..self.payload.len().min(120)];
        write!(formatter, "{:?}+{} {}", self.seqs, self.payload.len(), shown.escape_ascii())
    }
}

/// Who logs in, and with what.
#[derive(Clone, Debug)]
pub struct Who<'a> {
    /// The account.
    pub user: &'a str,
    /// Its password.
    pub password: &'a str,
    /// The database to start in.
    pub database: Option<&'a str>,
    /// What the client wants; less is used when the server has less.
    pub capabilities: Capabilities,
    /// What the client wants of MariaDB's extended capabilities.
    pub extensions: Extensions,
    /// The collation of the login.
    pub collation: u16,
}

impl<'a> Who<'a> {
    /// An account of the demonstration's, whose name is its password, in the database `app`.
    pub fn named(user: &'a str) -> Self {
        Who {
            user,
            password: user,
            database: Some("app"),
            capabilities: USUAL,
            extensions: Extensions::empty(),
            collation: 45,
        }
    }
}

/// A connection.
pub struct Raw {
    stream: BufReader<TcpStream>,
    /// What the server said first.
    pub greeting: Greeting,
    /// What both sides have.
    pub capabilities: Capabilities,
}

/// Opens a connection, and reads the greeting without answering it.
pub fn greeted(address: SocketAddr) -> io::Result<Result<Raw, SqlError>> {
    greeted_on(TcpStream::connect_timeout(&address, PATIENCE)?)
}

fn greeted_on(stream: TcpStream) -> io::Result<Result<Raw, SqlError>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(1 << 16, stream);
    let first = read_message(&mut stream)?;
    match Greeting::parse(&first.payload) {
        Ok(greeting) => Ok(Ok(Raw { stream, capabilities: greeting.capabilities, greeting })),
        Err(GreetingError::Refused(error)) => Ok(Err(error)),
        Err(error) => Err(io::Error::other(error)),
    }
}

impl Raw {
    /// The same behind a PROXY header.
    pub fn announced(address: SocketAddr, header: &[u8], who: &Who<'_>) -> Result<Self, SqlError> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap();
        stream.write_all(header).unwrap();
        let mut raw = greeted_on(stream).unwrap()?;
        raw.log_in(who).unwrap().map(|()| raw)
    }

    /// Logs in; the error is the server's.
    pub fn connect(address: SocketAddr, who: &Who<'_>) -> Result<Self, SqlError> {
        let mut raw = greeted(address).unwrap()?;
        raw.log_in(who).unwrap().map(|()| raw)
    }

    /// Whether the other side has closed it, as pools ask before they give a connection away.
    pub fn has_ended(&self) -> bool {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).unwrap();
        let seen = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !seen.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// The same where nobody may listen, or may listen no longer.
    pub fn try_connect(address: SocketAddr, who: &Who<'_>) -> io::Result<Result<Self, SqlError>> {
        Ok(match greeted(address)? {
            Ok(mut raw) => raw.log_in(who)?.map(|()| raw),
            Err(error) => Err(error),
        })
    }

    /// Logs in as an account whose name is its password, in the database `app`.
    pub fn app(address: SocketAddr) -> Self {
        Self::connect(address, &Who::named("app")).unwrap()
    }

    fn log_in(&mut self, who: &Who<'_>) -> io::Result<Result<(), SqlError>> {
        let salt = self.greeting.salt;
        self.begin_login(who)?;
        self.prove(who.password, salt)
    }

    /// Sends the login and does not wait for an answer.
    pub fn begin_login(&mut self, who: &Who<'_>) -> io::Result<()> {
        let plugin = self.greeting.plugin.clone();
        let is_known = auth::response(&plugin, b"", &self.greeting.salt).is_some();
        self.say_who(who, if is_known { &plugin } else { auth::NATIVE })
    }

    /// The same with a response by this method, whatever the greeting says.
    pub fn say_who(&mut self, who: &Who<'_>, plugin: &str) -> io::Result<()> {
        let mut wanted = who.capabilities;
        wanted.set(Capabilities::CONNECT_WITH_DB, who.database.is_some());
        // MariaDB's own clients leave LONG_PASSWORD out to say that they have extended capabilities.
        wanted.set(Capabilities::LONG_PASSWORD, who.extensions.is_empty());
        let old = wanted & Capabilities::LONG_PASSWORD;
        self.capabilities &= wanted;
        let salt = self.greeting.salt;
        let login = Login {
            capabilities: self.capabilities | old,
            max_packet: 1 << 30,
            collation: who.collation,
            user: who.user.into(),
            response: auth::response(plugin, who.password.as_bytes(), &salt).unwrap_or_default(),
            database: who.database.map(Into::into),
            plugin: Some(plugin.to_owned()),
            attributes: None,
            extensions: who.extensions & self.greeting.extensions,
        };
        self.write(1, &login.encode())
    }

    /// Answers what the server asks until it lets the client in or sends it away.
    pub fn prove(&mut self, password: &str, salt: Salt) -> io::Result<Result<(), SqlError>> {
        Ok(self.prove_to_the_end(password, salt)?.map(drop))
    }

    /// The same; gives the OK.
    fn prove_to_the_end(&mut self, password: &str, mut salt: Salt) -> io::Result<Result<Vec<u8>, SqlError>> {
        loop {
            let Message { seqs, payload } = self.read()?;
            let seq = seqs[0].wrapping_add(1);
            match payload.as_slice() {
                [0, ..] => return Ok(Ok(payload)),
                [0xff, ..] => return Ok(Err(SqlError::parse(&payload).unwrap())),
                [AUTH_SWITCH, ..] => {
                    let (plugin, data) = parse_auth_switch(&payload).unwrap();
                    salt = data.as_slice().try_into().unwrap();
                    // A server may ask for any method of an account that it does not have.
                    let response = auth::response(&plugin, password.as_bytes(), &salt);
                    self.write(seq, &response.ok_or_else(|| io::Error::other(format!("asked for {plugin}")))?)?;
                }
                [AUTH_MORE_DATA, FAST_AUTH_OK] => {}
                [AUTH_MORE_DATA, FULL_AUTH] => self.write(seq, &[REQUEST_PUBLIC_KEY])?,
                [AUTH_MORE_DATA, key @ ..] => {
                    self.write(seq, &encrypt_password(key, password.as_bytes(), &salt).unwrap())?;
                }
                other => panic!("no answer to a login: {}", other.escape_ascii()),
            }
        }
    }

    /// Logs in, and gives the status flags of the OK.
    pub fn first_status(&mut self, who: &Who<'_>) -> StatusFlags {
        self.begin_login(who).unwrap();
        let ok = self.prove_to_the_end(who.password, self.greeting.salt).unwrap().unwrap();
        StatusFlags::from_bits_retain(u16::from_le_bytes([ok[3], ok[4]]))
    }

    /// Logs in again on the same connection (`COM_CHANGE_USER`).
    pub fn change_user(&mut self, who: &Who<'_>) -> Result<(), SqlError> {
        self.try_change_user(who).unwrap()
    }

    /// The same, when the connection may break.
    pub fn try_change_user(&mut self, who: &Who<'_>) -> io::Result<Result<(), SqlError>> {
        let salt = self.greeting.salt;
        let response = auth::native(who.password.as_bytes(), &salt);
        let mut argument = [who.user.as_bytes(), &[0, response.len() as u8], &response].concat();
        argument.extend_from_slice(who.database.unwrap_or_default().as_bytes());
        argument.push(0);
        argument.extend_from_slice(&who.collation.to_le_bytes());
        argument.extend_from_slice(auth::NATIVE.as_bytes());
        argument.push(0);
        self.send(Command::ChangeUser, &argument)?;
        self.prove(who.password, salt)
    }

    /// The id in the greeting.
    pub const fn id(&self) -> u32 {
        self.greeting.thread_id
    }

    /// Writes a message of any content.
    pub fn write(&mut self, seq: u8, payload: &[u8]) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(payload.len() + HEADER_LEN);
        put_message(&mut bytes, seq, payload);
        self.write_bytes(&bytes)
    }

    /// Writes bytes that need not be messages.
    pub fn write_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a command.
    pub fn send(&mut self, command: Command, argument: &[u8]) -> io::Result<()> {
        let mut payload = Vec::with_capacity(argument.len() + 1);
        payload.push(command as u8);
        payload.extend_from_slice(argument);
        self.write(0, &payload)
    }

    /// Reads the next message.
    pub fn read(&mut self) -> io::Result<Message> {
        read_message(&mut self.stream)
    }

    /// How long a read may take.
    pub fn patience(&mut self, limit: Duration) {
        self.stream.get_mut().set_read_timeout(Some(limit)).unwrap();
    }

    /// Whether the other side has closed the connection; waits for it.
    pub fn is_closed(&mut self) -> bool {
        self.stream.read(&mut [0]).map_or_else(|error| error.kind() == io::ErrorKind::ConnectionReset, |n| n == 0)
    }

    /// Says nothing more.
    pub fn close_writing(&mut self) {
        self.stream.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// A second handle on the connection, to write while something else reads.
    pub fn writer(&self) -> TcpStream {
        self.stream.get_ref().try_clone().unwrap()
    }
}

fn read_message(stream: &mut impl Read) -> io::Result<Message> {
    let mut message = Message { seqs: Vec::new(), payload: Vec::new() };
    loop {
        let mut header = [0; HEADER_LEN];
        stream.read_exact(&mut header)?;
        let header = Header::parse(&header).unwrap();
        message.seqs.push(header.seq);
        let before = message.payload.len();
        message.payload.resize(before + header.len, 0);
        stream.read_exact(&mut message.payload[before..])?;
        if !header.is_continued() {
            return Ok(message);
        }
    }
}
