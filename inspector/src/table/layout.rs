//! Which columns fit a width, and how wide each of them is.

use super::{Column, Cut};

/// A column with the room it wants, or gets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fit<R: 'static> {
    pub(crate) column: &'static Column<R>,
    pub(crate) width: usize,
    /// The length of the longest text that must not be cut further, if the column has such.
    pub(crate) essence: usize,
}

/// The longest end of a text for which others give way.
const LONGEST_ESSENCE: usize = 40;

/// Space between two columns.
const GAP: usize = 2;

impl<R> Fit<R> {
    /// The room that a column wants for rows of which the widest takes `width`.
    pub(crate) fn new<'r>(
        column: &'static Column<R>,
        width: usize,
        rows: impl IntoIterator<Item = &'r R>,
    ) -> Self
    where
        R: 'r,
    {
        let essence = match column.cut {
            Cut::Start(Some(essence)) => rows.into_iter().map(essence).max().unwrap_or(0),
            _ => 0,
        };
        Self {
            column,
            width,
            essence,
        }
    }

    /// The least that is still worth showing: columns of long words can be cut, others cannot.
    fn least(&self) -> usize {
        if self.column.measure.is_some() {
            // However long a file's name is, the rest of the row must be seen too.
            let essence = self.essence.min(LONGEST_ESSENCE);
            self.width.min(essence.max(self.column.least.into()))
        } else {
            self.width
        }
    }
}

/// Cuts the columns that can be cut, and leaves out those that give way first, until the rest fits.
pub(crate) fn fit<R>(wanted: Vec<Fit<R>>, room: usize) -> Vec<Fit<R>> {
    let mut kept = wanted;
    while kept.len() > 1 && kept.iter().map(Fit::least).sum::<usize>() + gaps(&kept) > room {
        let weakest = (0..kept.len())
            .rev()
            .filter(|index| kept[*index].column.keep != Column::<R>::ALWAYS)
            .min_by_key(|index| kept[*index].column.keep);
        let Some(weakest) = weakest else { break };
        kept.remove(weakest);
    }
    let mut spare = room.saturating_sub(gaps(&kept) + kept.iter().map(Fit::least).sum::<usize>());
    let wishes: Vec<usize> = kept.iter().map(|fit| fit.width - fit.least()).collect();
    for fit in &mut kept {
        fit.width = fit.least().min(room);
    }
    // One by one, so that a very long word does not take the room of all others.
    let mut given = vec![0; kept.len()];
    while spare > 0 && given != wishes {
        for (index, fit) in kept.iter_mut().enumerate() {
            if spare > 0 && given[index] < wishes[index] {
                given[index] += 1;
                fit.width += 1;
                spare -= 1;
            }
        }
    }
    kept
}

fn gaps<R>(fits: &[Fit<R>]) -> usize {
    GAP * fits.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{DESCRIPTORS, Entry, Shown};

    fn fitted(room: usize, long: usize) -> Vec<Fit<Entry>> {
        let wanted = DESCRIPTORS
            .columns
            .iter()
            .filter(|column| column.shown == Shown::Always)
            .map(|column| Fit {
                column,
                width: if column.measure.is_some() {
                    long
                } else {
                    column.least.into()
                },
                essence: 0,
            })
            .collect();
        fit::<Entry>(wanted, room)
    }

    fn names(room: usize) -> Vec<&'static str> {
        fitted(room, 24).iter().map(|fit| fit.column.name).collect()
    }

    #[test]
    fn a_terminal_of_120_columns_keeps_every_column() {
        assert_eq!(
            names(118).len(),
            DESCRIPTORS
                .columns
                .iter()
                .filter(|column| column.shown == Shown::Always)
                .count()
        );
    }

    #[test]
    fn a_narrow_terminal_keeps_what_is_asked_first() {
        assert_eq!(
            names(78),
            ["id", "fd", "kind", "peer", "rd", "wr", "since", "where"]
        );
        assert_eq!(names(40), ["id", "fd", "rd", "wr", "since"]);
    }

    #[test]
    fn other_columns_give_way_before_a_file_and_its_line_are_cut() {
        let mut wanted = fitted(400, 60);
        for fit in &mut wanted {
            if fit.column.name == "where" {
                fit.essence = 30;
            }
        }
        for room in 60..200 {
            let fits = fit::<Entry>(wanted.clone(), room);
            let shown = fits.iter().find(|fit| fit.column.name == "where");
            assert!(shown.is_none_or(|fit| fit.width >= 30), "{room}: {fits:?}");
        }
    }

    #[test]
    fn something_is_left_however_narrow_it_is() {
        assert_eq!(names(0), ["id"]);
    }

    #[test]
    fn what_is_left_over_goes_to_the_columns_that_were_cut() {
        for room in 0..300 {
            let fits = fitted(room, 60);
            let total = fits.iter().map(|fit| fit.width).sum::<usize>() + gaps(&fits);
            assert!(total <= room || fits.len() == 1, "{total} > {room}");
            if fits.len() == 11 && room < 240 {
                assert_eq!(total, room, "no column is cut while there is room");
            }
        }
    }
}
