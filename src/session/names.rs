//! Things with names that a session holds open, counted: temporary tables, locks, handlers, prepared texts.

/// How many are told apart; beyond that only that there are some.
const MOST: usize = 64;
const LONGEST: usize = 256;

/// A bounded multiset of names, compared without regard to case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Names {
    known: Vec<Name>,
    /// Something is held whose name is not known: nothing but the end of all ends it.
    unknown: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    /// The schema, if it was written and is still sure.
    schema: Schema,
    name: Box<[u8]>,
}

/// What is known of a name's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// As written; none is the session's database.
    Written(Option<Box<[u8]>>),
    /// The session's database has changed since.
    Unsure,
}

impl Names {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty() && !self.unknown
    }

    /// Adds one; with `once`, only if it is not there.
    pub(super) fn add(&mut self, schema: Option<&[u8]>, name: &[u8], once: bool) {
        if self.known.len() >= MOST || name.len() > LONGEST || schema.is_some_and(|schema| schema.len() > LONGEST) {
            self.unknown = true;
            return;
        }
        if once && self.find(schema, name).is_some() {
            return;
        }
        self.known.push(Name { schema: Schema::Written(schema.map(lower)), name: lower(name) });
    }

    pub(super) fn add_unknown(&mut self) {
        self.unknown = true;
    }

    fn find(&self, schema: Option<&[u8]>, name: &[u8]) -> Option<usize> {
        self.known.iter().position(|known| {
            known.name.eq_ignore_ascii_case(name)
                && match (&known.schema, schema) {
                    (Schema::Written(None), None) => true,
                    (Schema::Written(Some(a)), Some(b)) => a.eq_ignore_ascii_case(b),
                    _ => false,
                }
        })
    }

    /// Removes one of this schema and name; otherwise, when `surely` one of the name was ended, the only one of the name.
    pub(super) fn remove(&mut self, schema: Option<&[u8]>, name: &[u8], surely: bool) {
        let found = self.find(schema, name).or_else(|| {
            let mut same = self.known.iter().enumerate().filter(|(_, known)| known.name.eq_ignore_ascii_case(name));
            let only = same.next().map(|(at, _)| at);
            if surely && same.next().is_none() { only } else { None }
        });
        if let Some(at) = found {
            self.known.swap_remove(at);
        }
    }

    /// Names without a schema no longer tell which one they are in.
    pub(super) fn database_changed(&mut self) {
        for known in &mut self.known {
            if known.schema == Schema::Written(None) {
                known.schema = Schema::Unsure;
            }
        }
    }

    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.unknown = false;
    }
}

fn lower(name: &[u8]) -> Box<[u8]> {
    name.to_ascii_lowercase().into_boxed_slice()
}
