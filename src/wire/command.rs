//! Commands (`page_protocol_command_phase`): the first byte of a client's message.

/// A command of the protocol, named as in the manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
#[repr(u8)]
pub enum Command {
    Quit = 0x01,
    InitDb = 0x02,
    Query = 0x03,
    FieldList = 0x04,
    Statistics = 0x09,
    ProcessKill = 0x0c,
    Ping = 0x0e,
    ChangeUser = 0x11,
    StmtPrepare = 0x16,
    StmtExecute = 0x17,
    StmtSendLongData = 0x18,
    StmtClose = 0x19,
    StmtReset = 0x1a,
    SetOption = 0x1b,
    StmtFetch = 0x1c,
    ResetConnection = 0x1f,
}

impl Command {
    /// The command that begins with this byte; `None` for one that the proxy does not offer.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Command> {
        Some(match byte {
            0x01 => Command::Quit,
            0x02 => Command::InitDb,
            0x03 => Command::Query,
            0x04 => Command::FieldList,
            0x09 => Command::Statistics,
            0x0c => Command::ProcessKill,
            0x0e => Command::Ping,
            0x11 => Command::ChangeUser,
            0x16 => Command::StmtPrepare,
            0x17 => Command::StmtExecute,
            0x18 => Command::StmtSendLongData,
            0x19 => Command::StmtClose,
            0x1a => Command::StmtReset,
            0x1b => Command::SetOption,
            0x1c => Command::StmtFetch,
            0x1f => Command::ResetConnection,
            _ => return None,
        })
    }
}

/// A whole message of one command byte and its argument, sequence 0.
#[must_use]
pub fn message(command: Command, argument: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(1 + argument.len());
    payload.push(command as u8);
    payload.extend_from_slice(argument);
    let mut out = Vec::with_capacity(payload.len() + super::HEADER_LEN);
    super::packet::put_message(&mut out, 0, &payload);
    out
}
