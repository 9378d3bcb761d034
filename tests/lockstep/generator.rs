//! Writes sessions: lines of the themes in `statements`, filled in at random.

use mysql_proxy::demo::Flavor;

use super::random::Random;
use super::settings::{ASKED, SETTINGS};
use super::statements::{STRINGS, THEMES, Theme};

/// The lines of a session.
pub type Plan = Vec<String>;

/// A session in its own database.
pub fn session(flavor: Flavor, database: &str, random: &mut Random) -> Plan {
    let plan = vec![PLAIN.to_owned(), ASKS_COUNTS.to_owned()];
    let mut writer = Writer { flavor, database, random, plan, prepared: 0 };
    let length = 8 + writer.random.below(40);
    // A few themes that meet often find more than all of them that meet rarely.
    let favoured: Vec<&Theme> = (0..3).map(|_| &THEMES[writer.random.below(THEMES.len())]).collect();
    while writer.plan.len() < length {
        let theme = match writer.random.below(10) {
            0..=3 => favoured[writer.random.below(favoured.len())],
            4..=5 => &THEMES[0],
            6 => &THEMES[1],
            _ => &THEMES[writer.random.below(THEMES.len())],
        };
        writer.block(theme);
    }
    // What is prepared outlives its connection and would be in the way of the next session.
    writer.plan.extend(["XA END '{d}'", "XA ROLLBACK '{d}'"].map(|line| line.replace("{d}", database)));
    behind_a_read(writer.plan)
}

/// Counts are kept for those who have asked for them before, and exact ids too.
const ASKS_COUNTS: &str = "SELECT ROW_COUNT()";
/// A statement that raises nothing and has rows. What a fresh connection of a server has is sometimes another's (`MariaDB`
/// keeps its threads).
const PLAIN: &str = "SELECT COUNT(*) FROM u";

/// What asks for the statement before never stands right behind what begins a session, nor conditions behind another
/// character set or in XA; and what else is an exception in docs/routing.md.
fn behind_a_read(plan: Plan) -> Plan {
    let mut out: Plan = Vec::with_capacity(plan.len());
    let mut prepares = false;
    let mut seen = Seen::default();
    for line in plan {
        if seen.leaves_out(&line) {
            continue;
        }
        let doubtful = seen.xa || seen.perhaps_xa || seen.character_sets;
        if doubtful && (asks_late(&line) || line.starts_with("SHOW WARNINGS")) {
            seen.character_sets = false;
            out.push(PLAIN.to_owned());
        }
        // Seen on MariaDB 10.11 itself: after a reset over what XA has prepared InnoDB refuses everything (error 1031).
        prepares |= line.contains("XA PREPARE");
        if prepares && (line.starts_with("@change") || line.starts_with("@reset")) {
            continue;
        }
        let begins = |last: &String| ["@change", "@reset"].iter().any(|it| last.starts_with(it));
        if asks_late(&line) && out.last().is_none_or(begins) {
            out.push(PLAIN.to_owned());
        }
        let begins_anew = line.starts_with("@change") || line.starts_with("@reset");
        out.push(line);
        if begins_anew {
            out.extend([PLAIN, ASKS_COUNTS].map(str::to_owned));
        }
    }
    out
}

/// What a session has had so far.
#[derive(Default)]
struct Seen {
    character_sets: bool,
    xa: bool,
    /// Beside another statement it may have failed, which the session cannot know.
    perhaps_xa: bool,
    read_only: bool,
    auto_is_null: bool,
    /// Its database may have been dropped.
    adrift: bool,
}

impl Seen {
    /// Whether a line is not to stand behind what has been.
    fn leaves_out(&mut self, line: &str) -> bool {
        let sets = ["SET NAMES", "CHARACTER SET", "character_set_", "collation_"];
        self.character_sets |= line.contains("SET ") && sets.iter().any(|text| line.contains(text));
        self.xa =
            (self.xa || line.contains("XA START")) && !line.contains("XA COMMIT") && !line.contains("XA ROLLBACK");
        self.perhaps_xa |= line.contains("XA START") && line.contains(';');
        self.read_only |= line.contains("READ ONLY");
        self.auto_is_null |= line.contains("auto_is_null = 1");
        self.adrift |= line.contains("DROP DATABASE");
        self.adrift &= !["USE ", "@database", "@change"].iter().any(|start| line.starts_with(start));
        let prepared = ["@execute", "@cursor", "EXECUTE"].iter().any(|start| line.starts_with(start));
        let in_a_transaction = [
            "@cursor",
            "USE information_schema",
            "LOAD DATA LOCAL",
            "START TRANSACTION, ",
            "SET PASSWORD",
            "CALL leaves",
        ];
        // Switched on, it ends a transaction.
        let ends =
            line.contains("autocommit") && !["autocommit = 0", "autocommit = OFF"].iter().any(|off| line.contains(off));
        (self.read_only
            && (ends || line.contains("puts(") || in_a_transaction.iter().any(|start| line.starts_with(start))))
            || (self.auto_is_null && line.contains("IS NULL"))
            || (self.adrift && prepared)
            || (self.adrift && self.read_only && ["READ ONLY", "DROP DATABASE"].iter().any(|text| line.contains(text)))
    }
}

struct Writer<'a> {
    flavor: Flavor,
    database: &'a str,
    random: &'a mut Random,
    plan: Plan,
    prepared: usize,
}

/// What asks for conditions and found rows of the statement before.
fn asks_late(line: &str) -> bool {
    let only_there = ["SHOW WARNINGS LIMIT", "SHOW ERRORS", "SHOW COUNT", "_count", "DIAGNOSTICS", "FOUND_ROWS()"];
    only_there.iter().any(|text| line.contains(text))
}

impl Writer<'_> {
    /// A block of a theme; other statements come between its lines now and then.
    fn block(&mut self, theme: &Theme) {
        let Some(block) = self.choose(theme) else { return };
        for line in block.split('\n') {
            // Found rows outlive the statement behind theirs only where both ran; what is prepared keeps its locks.
            let apart = !line.contains("FOUND_ROWS()") && !line.starts_with("XA COMMIT");
            if apart
                && self.random.percent(25)
                && let Some(between) = self.one_of_the_first(3)
            {
                let between = self.fill(between.split('\n').next().unwrap());
                self.plan.push(between);
            }
            if apart && self.random.percent(6) {
                self.plan.push("@pause".to_owned());
            }
            let mut line = self.fill(line);
            if self.random.percent(4) && !line.starts_with('@') && !line.starts_with("SHOW") {
                line = self.several(&line);
            }
            self.prepared += usize::from(line.starts_with("@prepare"));
            if self.flavor == Flavor::MySql && self.plan.iter().any(|before| before.starts_with("@cursor")) {
                // Seen on MySQL 9.7, also without a proxy: what had a cursor and is executed without one has an OK for
                // its rows, for whose end everybody waits.
                line = line.replacen("@execute", "@cursor", 1);
            }
            let may_add = ["@execute", "@cursor", "@fetch", "@resetstatement", "@fields", "@database"]
                .iter()
                .any(|it| line.starts_with(it));
            let looks_up = line.starts_with("@prepare") && line.contains("writes(");
            let unsure = if self.flavor == Flavor::MySql { may_add } else { looks_up };
            self.plan.push(line);
            // MySQL adds errors of prepared statements to those that stand, and MariaDB's conditions depend on which stored
            // functions a connection knows: exceptions in docs/routing.md.
            if unsure {
                self.plan.push("SELECT COUNT(*) FROM u".to_owned());
            }
        }
    }

    fn several(&mut self, line: &str) -> String {
        // What a SHOW that fails leaves of the count is known of one that is alone.
        let alone =
            |line: &str| ["ROW_COUNT()", "CONNECTION_ID()", "DESCRIBE", "SHOW "].iter().any(|text| line.contains(text));
        let other = self.one_of_the_first(2).unwrap_or("SELECT 1");
        let savepoints = [line, other].iter().any(|it| it.contains("ROLLBACK TO") || it.contains("RELEASE SAVEPOINT"));
        if asks_late(line) || alone(line) || alone(other) || savepoints {
            // Together with others it is the primary's to answer, or a number in an error's text.
            return line.to_owned();
        }
        let other = self.fill(other.split('\n').next().unwrap());
        let both = [line, &other];
        let effective = ["writes(", "puts("];
        if both.iter().any(|it| it.contains("proxy:replica"))
            && both.iter().any(|it| effective.iter().any(|call| it.contains(call)))
        {
            // The hint would say of both that they read.
            return line.to_owned();
        }
        match (other.starts_with('@'), self.random.percent(50)) {
            (true, _) => format!("{line};"),
            (_, true) => format!("{line}; {other}"),
            (_, false) => format!("{other};{line}"),
        }
    }

    fn one_of_the_first(&mut self, themes: usize) -> Option<&'static str> {
        let theme = &THEMES[self.random.below(themes)];
        self.choose(theme)
    }

    /// One of the theme's blocks that the flavor has.
    fn choose(&mut self, theme: &Theme) -> Option<&'static str> {
        let block = theme.blocks[self.random.below(theme.blocks.len())];
        match (self.flavor, block.split_once('|')) {
            (Flavor::MySql, Some(("mysql", block))) | (Flavor::MariaDb, Some(("mariadb", block))) => Some(block),
            (_, Some(("mysql" | "mariadb", _))) => None,
            _ => Some(block),
        }
    }

    fn fill(&mut self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or_else(|| panic!("no end of a name: {line}"));
            out.push_str(before);
            let value = self.value(name);
            out.push_str(&value);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn value(&mut self, name: &str) -> String {
        let random = &mut *self.random;
        match name {
            "d" => self.database.to_owned(),
            "t" => random.pick(&["t", "t", "t", "t", "u", "v", "w", "tmp", "missing"]).to_owned(),
            "a" => random.below(6).to_string(),
            "n" => [0, 1, 2, 7, 50, 99][random.below(6)].to_string(),
            "s" => random.pick(&STRINGS).to_owned(),
            "v" => random.pick(&["@x", "@y", "@z"]).to_owned(),
            "p" => random.pick(&["p", "q"]).to_owned(),
            "sp" => random.pick(&["s", "r"]).to_owned(),
            "k" => (1 + random.below(self.prepared + 2)).min(self.prepared.max(1)).to_string(),
            "set" => {
                let theme = Theme { blocks: &SETTINGS };
                let setting = self.choose(&theme).unwrap_or("sql_select_limit = 2");
                self.fill(setting)
            }
            "ask" => {
                let theme = Theme { blocks: &ASKED };
                let count = 1 + self.random.below(4);
                let asked: Vec<_> =
                    (0..count).map(|_| self.choose(&theme).unwrap_or("@@sql_mode").to_owned()).collect();
                asked.join(", ")
            }
            other => panic!("no value for {other}"),
        }
    }
}
