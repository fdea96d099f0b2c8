//! Prints the picture of the modules that `ARCHITECTURE.md` shows.

fn main() {
    print!("{}", tests::house::picture());
}
