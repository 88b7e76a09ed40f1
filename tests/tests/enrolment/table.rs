//! Clients × operations: what each client of others did at each door, written by the tests that saw it, for
//! `./run matrix` to print.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

/// What a client does at a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    Authorities,
    First,
    Again,
    Approval,
    Renewal,
    Revocation,
    Refusal,
}

const COLUMNS: [(Operation, &str); 7] = [
    (Operation::Authorities, "authorities"),
    (Operation::First, "first certificate"),
    (Operation::Again, "the same again"),
    (Operation::Approval, "waits for approval"),
    (Operation::Renewal, "renewal"),
    (Operation::Revocation, "revocation"),
    (Operation::Refusal, "refused"),
];

/// The rows of one door.
pub struct Table {
    door: &'static str,
    rows: Vec<Row>,
}

/// What one client did.
pub struct Row {
    client: String,
    cells: BTreeMap<Operation, String>,
}

impl Row {
    /// It did this as it should; to be said after that was seen.
    pub fn did(&mut self, operation: Operation) {
        self.did_so(operation, "yes");
    }

    /// The same, and how.
    pub fn did_so(&mut self, operation: Operation, how: &str) {
        let said = self.cells.entry(operation).or_default();
        if !said.is_empty() {
            said.push_str("; ");
        }
        said.push_str(how);
    }
}

impl Table {
    pub fn of(door: &'static str) -> Self {
        Self { door, rows: Vec::new() }
    }

    /// The row of a client, with its version.
    pub fn client(&mut self, client: String) -> &mut Row {
        let row = self.rows.iter().position(|row| row.client == client);
        let row = row.unwrap_or_else(|| {
            self.rows.push(Row { client, cells: BTreeMap::new() });
            self.rows.len() - 1
        });
        &mut self.rows[row]
    }

    /// Writes it below the target folder; with one row at least, since an empty one proves nothing.
    pub fn keep(self) {
        assert!(!self.rows.is_empty());
        let mut text = String::new();
        for row in &self.rows {
            write!(text, "| {} | {} |", self.door, row.client).unwrap();
            for (operation, _) in COLUMNS {
                write!(text, " {} |", row.cells.get(&operation).map_or("–", String::as_str))
                    .unwrap();
            }
            text.push('\n');
        }

        let mut head = String::from("| door | client |");
        COLUMNS.iter().for_each(|(_, name)| write!(head, " {name} |").unwrap());
        writeln!(head, "\n|---|---|{}", "---|".repeat(COLUMNS.len())).unwrap();
        write("0-head", &head);
        let first = self.rows[0].client.split(' ').next().unwrap_or_default();
        write(&format!("1-{}-{first}", self.door), &text);
    }
}

/// Keeps a part of what `./run matrix` prints; parts follow each other by name.
pub fn write(name: &str, part: &str) {
    std::fs::write(folder().join(format!("{name}.md")), part).unwrap();
}

/// Where that lies.
pub fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("matrix");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
