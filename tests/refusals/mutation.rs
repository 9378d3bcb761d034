//! Statements made of the tables' own: spliced, commented, quoted and cut in ways that a reader of SQL may stumble over.

/// Pieces that are put in anywhere.
const PIECES: &[&[u8]] = &[
    b" FOR UPDATE",
    b" FOR SHARE",
    b" LOCK IN SHARE MODE",
    b" INTO @x",
    b" INTO OUTFILE '/nonexistent/x'",
    b" := 1",
    b"@x := 2",
    b", GET_LOCK('a', 0)",
    b"GET_LOCK('a', 0)",
    b", f()",
    b"f()",
    b"app.f()",
    b"`f`()",
    b" f ()",
    b"now ()",
    b"`now`()",
    b"count (1)",
    b"count/**/(a)",
    b"point(1)",
    b"NEXT VALUE FOR s",
    b"NEXTVAL(s)",
    b"s.nextval",
    b"LAST_INSERT_ID(7)",
    b"; DELETE FROM w",
    b";DELETE FROM w;",
    b"; SET @x = 1",
    b"; SELECT 1",
    b"DELETE FROM w",
    b"UPDATE w SET a = 1",
    b"INSERT INTO w VALUES (1, 1)",
    b"REPLACE INTO w VALUES (1, 1)",
    b"SELECT ",
    b"SELECT * FROM t",
    b"SELECT 1",
    b"TABLE t",
    b"WITH c AS (SELECT 1) ",
    b"WITH c(f) AS (SELECT 1) SELECT f() ",
    b"EXPLAIN ",
    b"EXPLAIN ANALYZE ",
    b"ANALYZE ",
    b"ANALYZE FORMAT=JSON ",
    b"SHOW TABLES ",
    b"HELP ",
    b"CHECKSUM TABLE ",
    b"DESC ",
    b"SET STATEMENT max_statement_time=1 FOR ",
    b"UNION ",
    b" FROM t ",
    b" WHERE a IN (",
    b" AS ",
    b" a ",
    b"(",
    b")",
    b"((",
    b",",
    b";",
    b"'",
    b"''",
    b"\"",
    b"`",
    b"\\",
    b"\\'",
    b"'\\",
    b"$$",
    b"$a$",
    b"1.",
    b"1e",
    b"1.5",
    b"0x",
    b".5",
    b"@",
    b"@@",
    b"@'x'",
    b"@`x`",
    b":=",
    b"--",
    b"-- ",
    b"--\t",
    b"--\x01",
    b"#",
    b"\n",
    b"/*",
    b"*/",
    b"/**/",
    b"/*!",
    b"/*!*/",
    b"/*! ",
    b"/*!0 ",
    b"/*!00000 ",
    b"/*!50000 ",
    b"/*!50000",
    b"/*!99999 ",
    b"/*!100100 ",
    b"/*!999999 ",
    b"/*M! ",
    b"/*M!100100 ",
    b"/*M!999999 ",
    b"/* ' */",
    b"/* \" */",
    b"/*+ SET_VAR(sql_mode='') */",
    b"/*+ BKA(t) */",
    b"{",
    b"}",
    b"{d '2026-01-01'}",
    b"{fn f()}",
    b"{x f()}",
    b"N'",
    b"_utf8mb4'",
    b"_gbk'\xbf\\'",
    b"x'",
    b"\0",
    b"\x0b",
    b"\x0c",
    b"\xa0",
    b"\xc2\xa0",
    b"\x85",
    b"\xbf",
    b"\xbf\\",
    b"\xbf'",
    b"\x81",
    b"\x95\\",
    b"\xff",
    b"|",
    b"||",
    b"&&",
    b" PROCEDURE ANALYSE()",
    b" PROCEDURE ",
    b" DELETE ",
    b" INSERT ",
    b" UPDATE ",
    b" FOR ",
    b" LOCK ",
    b" INTO ",
    b" RETURNING a",
    b"BEGIN NOT ATOMIC ",
    b" END",
    b" DO 1",
    b"CREATE TEMPORARY TABLE x (a INT)",
    b"CALL p()",
    b"HANDLER t OPEN",
    b"LOCK TABLES t READ",
    b"START TRANSACTION",
    b"COMMIT",
    b"PREPARE s FROM 'SELECT 1'",
    b"EXECUTE IMMEDIATE 'DELETE FROM w'",
    b"KILL 1",
    b"SHOW PROXY ROUTE",
    b"SET sql_mode = ''",
];

const OPENINGS: [&[u8]; 9] =
    [b"/*! ", b"/*!50000 ", b"/*!99999 ", b"/*!999999 ", b"/*M! ", b"/*M!100100 ", b"/*M!999999 ", b"/* ", b"/*!0 "];

/// Makes statements; the same for the same seed.
pub struct Mutation<'a> {
    random: u64,
    seeds: &'a [Vec<u8>],
}

impl<'a> Mutation<'a> {
    pub fn new(seed: u64, seeds: &'a [Vec<u8>]) -> Self {
        let mut mutation = Mutation { random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, seeds };
        for _ in 0..4 {
            mutation.next();
        }
        mutation
    }

    /// xorshift64*
    fn next(&mut self) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn seed(&mut self) -> Vec<u8> {
        let at = self.below(self.seeds.len());
        self.seeds[at].clone()
    }

    /// A place in the text, mostly beside a blank, a bracket or a quote.
    fn place(&mut self, text: &[u8]) -> usize {
        let any = self.below(text.len() + 1);
        if self.below(4) == 0 {
            return any;
        }
        let beside = |at: &usize| text.get(*at).is_none_or(|byte| !byte.is_ascii_alphanumeric());
        (any..=text.len()).find(beside).unwrap_or(text.len())
    }

    /// One statement.
    pub fn statement(&mut self) -> Vec<u8> {
        let mut text = self.seed();
        for _ in 0..=self.below(4) {
            self.change(&mut text);
        }
        text.truncate(4096);
        text
    }

    fn change(&mut self, text: &mut Vec<u8>) {
        let at = self.place(text);
        match self.below(9) {
            0..=2 => {
                let piece = PIECES[self.below(PIECES.len())];
                text.splice(at..at, piece.iter().copied());
            }
            3 => {
                let other = self.seed();
                let from = self.place(&other);
                text.truncate(at);
                text.extend_from_slice(&other[from..]);
            }
            4 => {
                let opening = OPENINGS[self.below(OPENINGS.len())];
                let end = at + self.below(text.len() - at + 1);
                text.splice(end..end, b" */".iter().copied());
                text.splice(at..at, opening.iter().copied());
            }
            5 => {
                let end = (at + self.below(12)).min(text.len());
                text.drain(at..end);
            }
            6 => {
                for byte in text.iter_mut().filter(|byte| byte.is_ascii_alphabetic()) {
                    *byte ^= 0x20;
                }
            }
            7 => {
                const GAPS: [&[u8]; 9] = [b"\t", b"\n", b"/**/", b"-- \n", b"#\n", b"\x0b", b"\xa0", b"/*! */", b""];
                let gap = GAPS[self.below(GAPS.len())];
                let blank = (at..text.len()).find(|at| text[*at] == b' ');
                if let Some(blank) = blank {
                    text.splice(blank..=blank, gap.iter().copied());
                }
            }
            _ => {
                if let Some(byte) = text.get_mut(at) {
                    *byte = self.random as u8;
                }
            }
        }
    }
}
