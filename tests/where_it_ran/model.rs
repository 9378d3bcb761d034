//! A session as the routing table sees it, and where the table lets a statement run. Knows the table's words alone:
//! nothing here asks the program.

use super::statements::Class;

/// A connection that may not change: all statements of a transaction or a pin are on one, and no other session's.
pub type Group = u32;

/// The member that a statement may run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Primary,
    Replica,
    /// A replica if it has what the session wrote, the primary otherwise; or it does not matter.
    Either,
    /// A replica, because one is known to have what the session wrote; the primary if that one has not answered the
    /// monitor's newest check in time.
    Settled,
    /// None: the proxy answers.
    Nowhere,
    /// The group's, or none if the proxy refuses it.
    Refused,
}

/// What the log must show of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub side: Side,
    pub group: Option<Group>,
}

impl Place {
    pub const fn any(side: Side) -> Self {
        Self { side, group: None }
    }

    const fn on(side: Side, group: Group) -> Self {
        Self { side, group: Some(group) }
    }
}

/// What the session has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Nothing,
    /// What a replica has been seen to have.
    Settled,
    Something,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    ReadWrite,
    /// Read only, where free reads go.
    ReadOnly {
        side: Side,
        group: Group,
    },
}

/// See the module.
#[derive(Debug)]
pub struct Model {
    transaction: Transaction,
    pins: Vec<&'static str>,
    /// The connection to the primary that is kept while a read-write transaction or a pin lasts.
    held: Option<Group>,
    autocommit: bool,
    serializable: bool,
    written: Written,
    groups: Group,
}

impl Model {
    pub const fn new() -> Self {
        Self {
            transaction: Transaction::None,
            pins: Vec::new(),
            held: None,
            autocommit: true,
            serializable: false,
            written: Written::Nothing,
            groups: 0,
        }
    }

    /// A group that no statement is in yet.
    pub const fn new_group(&mut self) -> Group {
        self.groups += 1;
        self.groups
    }

    fn hold(&mut self) {
        if self.held.is_none() {
            self.held = Some(self.new_group());
        }
    }

    fn let_go(&mut self) {
        if self.pins.is_empty() && self.transaction != Transaction::ReadWrite {
            self.held = None;
        }
    }

    /// Before the statement that pins.
    pub fn pin(&mut self, pin: &'static str) {
        self.pins.push(pin);
        self.hold();
    }

    /// After the statement that ends a pin.
    pub fn unpin(&mut self, pin: &'static str) {
        self.pins.retain(|it| *it != pin);
        self.let_go();
    }

    /// Before the statement that opens a read-write transaction.
    pub fn begin(&mut self) {
        self.transaction = Transaction::ReadWrite;
        self.hold();
    }

    /// Before the statement that opens a read-only transaction; with autocommit off that may be a read.
    pub fn begin_read_only(&mut self) {
        if self.pins.is_empty() && !self.serializable {
            let group = self.new_group();
            self.transaction = Transaction::ReadOnly { side: self.reads(), group };
        } else {
            self.begin();
        }
    }

    /// After the statement that ends a transaction.
    pub fn end(&mut self) {
        self.transaction = Transaction::None;
        self.let_go();
    }

    /// After `SET autocommit`; switching it on commits.
    pub fn autocommit(&mut self, on: bool) {
        self.autocommit = on;
        if on {
            self.end();
        }
    }

    /// After the isolation level was changed.
    pub const fn serializable(&mut self, on: bool) {
        self.serializable = on;
    }

    /// After a reset of the session.
    pub fn reset(&mut self) {
        *self = Self { written: self.written, groups: self.groups, ..Self::new() };
    }

    /// A replica has been seen to have all that the session wrote.
    pub const fn caught_up(&mut self) {
        self.written = Written::Settled;
    }

    /// Nobody can tell the proxy that nothing was written.
    pub const fn may_have_written(&mut self) {
        self.written = Written::Something;
    }

    pub fn has_written(&self) -> bool {
        self.written == Written::Something
    }

    const fn reads(&self) -> Side {
        match self.written {
            Written::Nothing => Side::Replica,
            Written::Settled => Side::Settled,
            Written::Something => Side::Either,
        }
    }

    /// Where a statement may run now.
    pub fn place(&mut self, class: Class) -> Place {
        let place = match (class, self.transaction) {
            (Class::Proxy, _) => Place::any(Side::Nowhere),
            (Class::NamedLock | Class::Ddl, Transaction::ReadOnly { .. }) => {
                Place { side: Side::Primary, group: self.held }
            }
            (Class::Write, Transaction::ReadOnly { group, .. }) => return Place::on(Side::Refused, group),
            // What pins within it stands on the primary.
            (Class::Pin, Transaction::ReadOnly { .. }) => Place { side: Side::Primary, group: self.held },
            (_, Transaction::ReadOnly { side, group }) => Place::on(side, group),
            (_, Transaction::ReadWrite) => Place { side: Side::Primary, group: self.held },
            (_, Transaction::None) if !self.pins.is_empty() => Place { side: Side::Primary, group: self.held },
            (Class::Setting | Class::Previous, Transaction::None) => Place::any(Side::Either),
            (_, Transaction::None) if !self.autocommit => Place::any(Side::Primary),
            // A hint is followed where it cannot break the session.
            (Class::HintReplica, Transaction::None) => Place::any(self.reads()),
            (_, Transaction::None) if self.serializable => Place::any(Side::Primary),
            (Class::Read | Class::Constant | Class::Metadata, Transaction::None) => Place::any(self.reads()),
            _ => Place::any(Side::Primary),
        };
        if matches!(class, Class::Write | Class::Several | Class::Ddl | Class::Call) {
            self.may_have_written();
        }
        place
    }

    /// The state in a few words.
    pub fn describe(&self) -> String {
        let mut words: Vec<String> = self.pins.iter().map(|pin| format!("pinned by {pin}")).collect();
        match self.transaction {
            Transaction::None => {}
            Transaction::ReadWrite => words.push("in a transaction".into()),
            Transaction::ReadOnly { .. } => words.push("in a read-only transaction".into()),
        }
        let more =
            [(!self.autocommit, "autocommit off"), (self.serializable, "serializable"), (self.has_written(), "wrote")];
        words.extend(more.iter().filter(|(is, _)| *is).map(|(_, word)| (*word).to_owned()));
        if words.is_empty() { "free".into() } else { words.join(", ") }
    }
}
