//! What a member must still be asked for the session's sake, because no reply tells it.
//!
//! Knows which questions wait. Must not know when they are asked.

/// Questions that wait. While there are any the connection that can answer them lingers.
#[derive(Debug, Default)]
pub(super) struct PendingProbes {
    pub collation: bool,
    pub insert_id: bool,
    /// User variables as they were written, with their signs.
    pub variables: Vec<Vec<u8>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    Collation,
    InsertId,
    Variable(Vec<u8>),
}

impl PendingProbes {
    /// The one to be asked next. It waits until it is [answered](Self::answered).
    pub fn first(&self) -> Option<Probe> {
        match self {
            PendingProbes { collation: true, .. } => Some(Probe::Collation),
            PendingProbes { insert_id: true, .. } => Some(Probe::InsertId),
            PendingProbes { variables, .. } => variables.first().cloned().map(Probe::Variable),
        }
    }

    /// Nobody waits for its answer any more.
    pub fn answered(&mut self, question: &Probe) {
        match question {
            Probe::Collation => self.collation = false,
            Probe::InsertId => self.insert_id = false,
            Probe::Variable(name) => self.variables.retain(|waiting| waiting != name),
        }
    }

    /// Whether what `LAST_INSERT_ID()` is must still be asked.
    pub const fn awaits_insert_id(&self) -> bool {
        self.insert_id
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        !self.collation && !self.insert_id && self.variables.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_waits_until_it_is_answered() {
        let variables = vec![b"@`a`".to_vec(), b"@`b`".to_vec()];
        let mut unasked = PendingProbes { collation: true, insert_id: true, variables };
        let mut asked = Vec::new();
        while let Some(question) = unasked.first() {
            // The first time the member hangs, and the asking is given up.
            assert_eq!(unasked.first().as_ref(), Some(&question));
            unasked.answered(&question);
            asked.push(question);
        }
        let variable = |name: &[u8]| Probe::Variable(name.to_vec());
        assert_eq!(asked, [Probe::Collation, Probe::InsertId, variable(b"@`a`"), variable(b"@`b`")]);
        assert!(unasked.is_empty());
    }
}
