//! Jobs, semaphores, read/write locks, registers and tickets under what an exclusive lock has to bear.

mod jobs;
mod permits;
mod registers;
mod sides;
mod tickets;
