use super::{
    Fault,
    error::{Failure, Harm},
};
use crate::change::{Begin, Commit, Entry, LogicalMessage, Lsn, Unreadable};

/// Holds the frames to their order: `Begin`, what belongs to the transaction, `Commit`. Only a message that is not
/// transactional may stand outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    begin: Begin,
    /// Whether `begin` has gone out: it waits for something to tell.
    told: bool,
}

impl Order {
    pub fn begin(&mut self, begin: Begin) -> Result<(), Fault> {
        if let Some(open) = &self.open {
            return Err(Fault::NestedBegin { open: open.begin.commit_lsn });
        }
        self.open = Some(Open { begin, told: false });
        Ok(())
    }

    /// Checks that a transaction is open; `what` names the frame that needs one.
    pub fn within(&self, what: &'static str) -> Result<(), Fault> {
        self.open.as_ref().map(|_| ()).ok_or(Fault::OutsideTransaction(what))
    }

    /// Tells an entry of the open transaction.
    pub fn tell(&mut self, entry: Entry, out: &mut Vec<Entry>) -> Result<(), Fault> {
        let open = self.open.as_mut().ok_or(Fault::OutsideTransaction("a change"))?;
        if !open.told {
            out.push(Entry::Begin(open.begin));
            open.told = true;
        }
        out.push(entry);
        Ok(())
    }

    /// Tells that something of the open transaction was lost with a frame. Outside of one nothing is: what may stand there
    /// (a message that outlives a rollback) is no change.
    pub fn tell_lost(&mut self, lsn: Lsn, failure: &Failure, out: &mut Vec<Entry>) {
        if failure.harm == Harm::Told {
            let _ = self.tell(Entry::Unreadable(Unreadable { lsn, table: failure.table.clone() }), out);
        }
    }

    pub fn message(&mut self, message: LogicalMessage, out: &mut Vec<Entry>) -> Result<(), Fault> {
        if message.transactional {
            self.within("a transactional message")?;
            return self.tell(Entry::Message(message), out);
        }
        out.push(Entry::Message(message));
        Ok(())
    }

    pub fn commit(&mut self, commit: Commit, out: &mut Vec<Entry>) -> Result<(), Fault> {
        let open = self.open.take().ok_or(Fault::OutsideTransaction("a commit"))?;
        if commit.commit_lsn != open.begin.commit_lsn {
            return Err(Fault::OtherCommit { begin: open.begin.commit_lsn, commit: commit.commit_lsn });
        }
        if open.told {
            out.push(Entry::Commit(commit));
        }
        Ok(())
    }
}
