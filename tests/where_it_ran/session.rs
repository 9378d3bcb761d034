//! One session: sends statements with a marker in each, and notes where the model lets them run. Knows how to send;
//! what is sent in which order is in `blocks`.

use std::fmt;
use std::net::SocketAddr;

use mysql_proxy::demo::Flavor;
use mysql_proxy::wire::Command;

use super::model::{Model, Place, Side};
use super::random::Random;
use super::statements::{self, Class};
use super::support::raw::{Raw, Who};
use super::support::reply::Kind;

/// What stands in the text of a statement, and so in the logs: `ran-SESSION-STATEMENT.`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marker {
    pub session: u32,
    pub statement: u32,
}

impl fmt::Display for Marker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ran-{}-{}.", self.session, self.statement)
    }
}

impl Marker {
    /// As it stands in a text that is prepared by text: of `PREPARE` itself MySQL logs no more than the name.
    fn prepared(self) -> String {
        format!("prepared-{}-{}.", self.session, self.statement)
    }

    /// The marker in what ran.
    pub fn find(text: &str) -> Option<Self> {
        Self::behind("ran-", text)
    }

    /// The marker in what was prepared by text.
    pub fn find_prepared(text: &str) -> Option<Self> {
        Self::behind("prepared-", text)
    }

    fn behind(word: &str, text: &str) -> Option<Self> {
        let (marker, _) = text.split_once(word)?.1.split_once('.')?;
        let (session, statement) = marker.split_once('-')?;
        Some(Self { session: session.parse().ok()?, statement: statement.parse().ok()? })
    }
}

/// A statement that was sent.
#[derive(Debug)]
pub struct Sent {
    pub marker: Marker,
    pub class: Class,
    pub sql: String,
    /// The session's state before it.
    pub state: String,
    pub place: Place,
    pub reply: String,
    /// What `SHOW PROXY ROUTE` said of it, if it was asked.
    pub told: Option<String>,
}

/// See the module.
pub struct Session {
    pub flavor: Flavor,
    pub model: Model,
    pub random: Random,
    /// Whether it writes at all.
    pub writes: bool,
    pub database: String,
    pub primary: SocketAddr,
    pub sent: Vec<Sent>,
    pub prepared: Vec<(Class, u32, &'static str)>,
    number: u32,
    seed: u64,
    user: &'static str,
    raw: Raw,
}

impl Session {
    pub fn begin(flavor: Flavor, [proxy, primary]: [SocketAddr; 2], database: String, number: u32, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let writes = random.percent(65);
        let raw = Raw::connect(proxy, &Who { database: Some(&database), ..Who::named("app") }).unwrap();
        let (model, user) = (Model::new(), "app");
        Self {
            flavor,
            model,
            random,
            writes,
            database,
            primary,
            sent: Vec::new(),
            prepared: Vec::new(),
            number,
            seed,
            user,
            raw,
        }
    }

    fn marker(&self) -> Marker {
        Marker { session: self.number, statement: self.sent.len() as u32 }
    }

    fn note(&mut self, class: Class, sql: String, state: String, place: Place, reply: String) -> String {
        let said = reply.clone();
        self.sent.push(Sent { marker: self.marker(), class, sql, state, place, reply, told: None });
        said
    }

    /// The last lines, to be shown with a failure.
    fn trail(&self) -> String {
        let from = self.sent.len().saturating_sub(12);
        let lines = self.sent[from..].iter().map(|sent| {
            format!("  [{}] {} -> {} {}", sent.state, sent.sql, sent.reply, sent.told.as_deref().unwrap_or_default())
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Ends the test, and says with which session.
    pub fn complain(&self, what: &str) -> ! {
        panic!("seed {}, session {}: {what}\nbefore it:\n{}", self.seed, self.number, self.trail())
    }

    /// Sends a statement, whatever becomes of it.
    pub fn send(&mut self, class: Class, template: &str) -> String {
        let sql = template.replacen('#', &format!("/*{}*/", self.marker()), 1).replace("{d}", &self.database);
        let sql = sql.replace("{p}", &format!("/*{}*/", self.marker().prepared()));
        let sql = sql.replace("{n}", &(1 + self.random.below(9)).to_string());
        let state = self.model.describe();
        let place = self.model.place(class);
        let reply = self.raw.say(&sql);
        self.note(class, sql, state, place, reply)
    }

    /// Sends a statement that must succeed; asks now and then where it ran.
    pub fn run(&mut self, class: Class, template: &str) -> String {
        let said = self.send(class, template);
        self.must_succeed(&said);
        self.ask_now_and_then();
        said
    }

    fn must_succeed(&self, said: &str) {
        let last = self.sent.last().unwrap();
        let may_fail = last.place.side == Side::Refused || last.class == Class::Locking && said.contains("ERROR 1792");
        if said.contains("ERROR ") && !may_fail {
            self.complain(&format!("[{}] {}: {said}", last.state, last.sql));
        }
    }

    fn ask_now_and_then(&mut self) {
        if self.random.percent(10) {
            self.ask();
        }
    }

    /// Notes what `SHOW PROXY ROUTE` says of the statement before.
    pub fn ask(&mut self) -> Option<SocketAddr> {
        let route = self.raw.say("SHOW PROXY ROUTE");
        let member = member_of(&route);
        self.sent.last_mut().unwrap().told = Some(route);
        member
    }

    /// Sends one of a class.
    pub fn one_of(&mut self, class: Class) -> String {
        let all = statements::of(class, self.flavor);
        let template = all[self.random.below(all.len())];
        self.run(class, template)
    }

    /// Sends one of these that must fail.
    pub fn fail(&mut self, among: &[(Class, &str)]) {
        let (class, template) = among[self.random.below(among.len())];
        let said = self.send(class, template);
        let refused = self.sent.last().unwrap().place.side == Side::Refused;
        if !said.contains("ERROR ") && !refused {
            self.complain(&format!("{template} did not fail"));
        }
        // An error does not tell what a stored function had written before.
        if class == Class::UnknownFunction {
            self.model.may_have_written();
        }
    }

    /// Sends what must be answered on the connection of the statement before.
    pub fn ask_about_the_last(&mut self, template: &str) {
        let last = self.sent.last_mut().unwrap();
        let group = *last.place.group.get_or_insert_with(|| self.model.new_group());
        let place = Place { side: last.place.side, group: Some(group) };
        self.run(Class::Previous, template);
        self.sent.last_mut().unwrap().place = place;
    }

    /// Prepares a statement whose last parameter is the marker.
    pub fn prepare(&mut self, (class, sql): (Class, &'static str)) {
        match self.raw.prepare(sql) {
            Ok(id) => self.prepared.push((class, id, sql)),
            Err(error) => self.complain(&format!("preparing {sql}: {error}")),
        }
    }

    /// Prepares, with the marker in the text, and executes once.
    pub fn prepare_and_execute(&mut self, class: Class, template: &str) {
        let sql = template.replacen('#', &format!("/*{}*/", self.marker()), 1);
        let state = self.model.describe();
        let place = self.model.place(class);
        let id = self.raw.prepare(&sql).unwrap_or_else(|error| self.complain(&format!("preparing {sql}: {error}")));
        let said = said(self.raw.execute_text(id, &[]));
        self.raw.close(id);
        self.note(class, format!("prepared: {sql}"), state, place, said.clone());
        self.must_succeed(&said);
    }

    /// Executes one of the prepared statements.
    pub fn execute(&mut self) {
        let (class, id, sql) = self.prepared[self.random.below(self.prepared.len())];
        let state = self.model.describe();
        let place = self.model.place(class);
        let marker = self.marker().to_string();
        let said = said(self.raw.execute_text(id, &[&marker]));
        self.note(class, format!("prepared: {sql}, {marker}"), state, place, said.clone());
        self.must_succeed(&said);
        self.ask_now_and_then();
    }

    /// `COM_RESET_CONNECTION`.
    pub fn reset(&mut self) {
        self.raw.ask(Command::ResetConnection, b"", Kind::One).unwrap();
        self.began_anew();
    }

    /// `COM_CHANGE_USER`, to the other account.
    pub fn change_user(&mut self) {
        self.user = if self.user == "app" { "admin" } else { "app" };
        let who = Who { database: Some(&self.database), ..Who::named(self.user) };
        self.raw.change_user(&who).unwrap();
        self.began_anew();
    }

    fn began_anew(&mut self) {
        self.prepared.clear();
        self.model.reset();
    }

    /// Any marker: to be stored and found again.
    pub fn next_marker(&self) -> String {
        self.marker().to_string()
    }
}

fn said(result: Result<Vec<String>, mysql_proxy::wire::err::SqlError>) -> String {
    result.map_or_else(|error| format!("ERROR {error}"), |_| "OK".to_owned())
}

/// The member in a reply to `SHOW PROXY ROUTE`.
pub fn member_of(route: &str) -> Option<SocketAddr> {
    route.split(' ').nth(1)?.parse().ok()
}
