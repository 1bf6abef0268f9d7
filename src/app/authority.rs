use futures_util::future::BoxFuture;

use crate::{
    events::{Answer, Question},
    hub::Authority,
    store::RowSecurity,
};

impl Authority for RowSecurity {
    fn ask<'a>(&'a self, questions: &'a [Question], after: &'a [u32]) -> BoxFuture<'a, Vec<Option<Answer>>> {
        Box::pin(self.answers(questions, after))
    }

    fn sees<'a>(&'a self, transactions: &'a [u32]) -> BoxFuture<'a, bool> {
        Box::pin(self.is_visible(transactions))
    }
}
