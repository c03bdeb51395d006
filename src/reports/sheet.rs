//! A report as a table for spreadsheets: CSV that opens without mojibake and without surprises.
//!
//! - UTF-8 with a byte order mark, which is how spreadsheets tell it from the code page of the machine; lines end in CRLF
//!   (RFC 4180).
//! - A text that a spreadsheet would take for a formula begins with an apostrophe (OWASP, CSV injection). Names of shops
//!   and steps come from the configuration, but what is opened elsewhere must not depend on that.

use csv::{Terminator, WriterBuilder};

/// One cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    Text(String),
    Number(i64),
    Fraction(Option<f64>),
    Empty,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Option<f64>> for Cell {
    fn from(fraction: Option<f64>) -> Self {
        Self::Fraction(fraction)
    }
}

/// A table: a head, and rows that are as long as it.
#[derive(Clone, Debug)]
pub struct Sheet {
    head: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Sheet {
    #[must_use]
    pub const fn new(head: &'static [&'static str]) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Adds a row; what it lacks at the end stays empty.
    pub fn add(&mut self, mut row: Vec<Cell>) {
        row.resize(self.head.len(), Cell::Empty);
        self.rows.push(row);
    }

    /// The table as CSV.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "memory takes every byte, and all rows are of one length")]
    pub fn to_csv(&self) -> Vec<u8> {
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer("\u{feff}".as_bytes().to_vec());
        let rows = self.rows.iter().map(|row| row.iter().map(Cell::text).collect::<Vec<_>>());
        for row in std::iter::once(self.head.iter().map(|&name| name.to_owned()).collect()).chain(rows) {
            writer.write_record(&row).expect("memory takes every byte and all rows are of one length");
        }
        writer.into_inner().expect("memory takes every byte")
    }
}

impl Cell {
    fn text(&self) -> String {
        match self {
            Self::Text(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => format!("'{text}"),
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Fraction(Some(fraction)) => format!("{fraction:.6}"),
            Self::Fraction(None) | Self::Empty => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_taken_for_a_formula_and_every_number_stays_one() {
        let mut sheet = Sheet::new(&["shop", "count", "share"]);
        sheet.add(vec!["=1+1".into(), (-3).into(), Some(0.5).into()]);
        sheet.add(vec!["@a,\"b\"".into(), 0.into(), None.into()]);
        sheet.add(vec!["-x".into()]);
        let text = String::from_utf8(sheet.to_csv()).expect("UTF-8");
        let expected = "\u{feff}shop,count,share\r\n'=1+1,-3,0.500000\r\n\"'@a,\"\"b\"\"\",0,\r\n'-x,,\r\n";
        assert_eq!(text, expected);
    }
}
