//! The numbers of threads that a server has for each purpose.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Staffing {
    pub(crate) loops: usize,
    pub(crate) threads: usize,
}

impl Staffing {
    /// A quarter of the threads may read bodies as they arrive, and half of them may stream responses; the others stay
    /// for requests that need neither.
    pub(super) fn most_uploads(self) -> usize {
        self.threads / 4
    }

    pub(super) fn most_downloads(self) -> usize {
        self.threads / 2
    }

    /// Each loop has a permit in reserve, as far as there are enough.
    pub(crate) fn has_reserve(self, index: usize) -> bool {
        index < self.threads
    }

    pub(super) fn permits_beyond_reserves(self) -> usize {
        self.threads.saturating_sub(self.loops)
    }

    /// Threads that are lost in handlers are replaced, up to half of all. A single thread never is: its handlers run
    /// strictly one after the other.
    pub(super) fn most_replaced(self) -> usize {
        self.threads / 2
    }

    /// Returns how many threads read files that are not in memory, separate from those in handlers: a disk that hangs
    /// takes no handler's thread, and handlers that hang keep no file from being read.
    pub(super) fn most_reading(self) -> usize {
        (self.threads / 4).max(1)
    }

    /// Threads in handlers, those that read files, those that hold loops, and for each loop one that can acquire it.
    pub(super) fn most_alive(self) -> usize {
        self.threads + self.most_reading() + 2 * self.loops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_purpose_has_its_part_of_the_threads_and_a_single_thread_is_never_replaced() {
        for (threads, uploads, downloads, replaced, reading) in
            [(1, 0, 0, 0, 1), (2, 0, 1, 1, 1), (256, 64, 128, 128, 64)]
        {
            let staffing = Staffing { loops: 2, threads };
            assert_eq!(staffing.most_uploads(), uploads, "{threads}");
            assert_eq!(staffing.most_downloads(), downloads, "{threads}");
            assert_eq!(staffing.most_replaced(), replaced, "{threads}");
            assert_eq!(staffing.most_reading(), reading, "{threads}");
            assert_eq!(staffing.permits_beyond_reserves(), threads.saturating_sub(2));
            assert_eq!([0, 1].map(|index| staffing.has_reserve(index)), [true, threads > 1]);
        }
    }

    #[test]
    fn there_may_be_a_thread_for_everything_that_needs_one_at_once() {
        let staffing = Staffing { loops: 3, threads: 16 };
        assert_eq!(staffing.most_alive(), 16 + 4 + 3 + 3);
    }
}
