//! What kind of cluster it is: as the configuration says, else as all of its members say.
//!
//! PURE. Knows who has said what. Must not know how the members were asked.
//!
//! Found out once, and then kept: a member that is down, restarts without its provider or is new and not asked yet
//! changes nothing. Where members contradict each other from the start, it is taken for a primary with replicas.

use super::settings::ClusterKind;

/// How the members are kept alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Character {
    /// Nobody has said anything: as a primary with replicas.
    #[default]
    Unknown,
    /// Who has answered is a node of a Galera cluster, and some were not asked yet: nobody is the primary.
    Suspense,
    /// A primary with replicas, or a single server.
    Replication,
    /// A Galera cluster.
    Galera,
}

/// What one member has said of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It has not been asked.
    NotAsked,
    /// It never answered.
    Silence,
    /// It is a node of a Galera cluster.
    Galera,
    /// It is not.
    Other,
}

impl Character {
    /// What is known before anybody was asked.
    #[must_use]
    pub fn at_first(kind: ClusterKind) -> Self {
        match kind {
            ClusterKind::Auto => Self::Unknown,
            ClusterKind::Galera => Self::Galera,
            ClusterKind::Replication | ClusterKind::Single => Self::Replication,
        }
    }

    /// What is known after the members have said this.
    #[must_use]
    pub fn after(self, kind: ClusterKind, words: impl Iterator<Item = Word>) -> Self {
        if kind != ClusterKind::Auto {
            return self;
        }
        let (mut galera, mut other, mut not_asked) = (false, false, false);
        for word in words {
            galera |= word == Word::Galera;
            other |= word == Word::Other;
            not_asked |= word == Word::NotAsked;
        }
        match self {
            Self::Galera if galera || !other || not_asked => Self::Galera,
            _ if other => Self::Replication,
            _ if galera && !not_asked => Self::Galera,
            Self::Unknown | Self::Suspense if galera => Self::Suspense,
            kept => kept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `g`alera, `o`ther, `s`ilent, `?` not asked; the members from one moment to the next, and what follows.
    fn follow(kind: ClusterKind, moments: &[&str]) -> String {
        let mut character = Character::at_first(kind);
        let letter = |moment: &&str| {
            let words = moment.chars().map(|letter| match letter {
                'g' => Word::Galera,
                'o' => Word::Other,
                's' => Word::Silence,
                _ => Word::NotAsked,
            });
            character = character.after(kind, words);
            match character {
                Character::Unknown => 'U',
                Character::Suspense => 'S',
                Character::Replication => 'R',
                Character::Galera => 'G',
            }
        };
        moments.iter().map(letter).collect()
    }

    #[test]
    fn what_the_members_say_decides_and_one_alone_changes_nothing() {
        for (moments, characters) in [
            (&["", "???", "???"][..], "UUU"),
            (&["???", "g??", "gg?", "ggg"], "USSG"),
            (&["???", "s??", "sg?", "sgs"], "UUSG"),
            (&["???", "o??", "og?", "ogg", "gg"], "URRRG"),
            (&["g??", "go?", "goo"], "SRR"),
            (&["s?", "ss", "sss"], "UUU"),
            (&["ggg", "ogg", "oog", "gog"], "GGGG"),
            (&["ggg", "gg?", "???", "s??", "sgg"], "GGGGG"),
            (&["ggg", "", "???", "sss"], "GGGG"),
            (&["ggg", "ooo", "ooo"], "GRR"),
            (&["ggg", "oo?", "ooo"], "GGR"),
            (&["oo", "o?", "og"], "RRR"),
            (&["oo", "g?", "gg"], "RRG"),
        ] {
            assert_eq!(follow(ClusterKind::Auto, moments), characters, "{moments:?}");
        }
    }

    #[test]
    fn what_the_configuration_says_counts() {
        let moments = ["???", "ooo", "ggg", "gos"];
        assert_eq!(follow(ClusterKind::Galera, &moments), "GGGG");
        assert_eq!(follow(ClusterKind::Replication, &moments), "RRRR");
        assert_eq!(follow(ClusterKind::Single, &moments), "RRRR");
    }
}
