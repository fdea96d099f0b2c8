//! Tickets on their way from one client to others.

use std::collections::VecDeque;

/// How many tickets are kept. The oldest is dropped for the next one.
const MAX_TICKETS: usize = 16;
/// To how many clients each ticket goes.
const COPIES: usize = 3;

/// Each with the number of clients that are still to get it.
#[derive(Debug, Default)]
pub(super) struct Tickets(VecDeque<(String, usize)>);

impl Tickets {
    pub(super) fn post(&mut self, ticket: String) {
        if self.0.len() == MAX_TICKETS {
            self.0.pop_front();
        }
        self.0.push_back((ticket, COPIES));
    }

    /// The oldest ticket. The next clients get the same one.
    pub(super) fn fetch(&mut self) -> Option<String> {
        let (ticket, left) = self.0.pop_front()?;
        if left > 1 {
            self.0.push_front((ticket.clone(), left - 1));
        }
        Some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ticket_goes_to_several_clients() {
        let mut tickets = Tickets::default();
        tickets.post("a".into());
        tickets.post("b".into());
        let fetched: Vec<String> = std::iter::from_fn(|| tickets.fetch()).collect();
        assert_eq!(fetched, ["a", "a", "a", "b", "b", "b"]);
    }
}
