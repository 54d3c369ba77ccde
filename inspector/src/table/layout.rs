//! Which columns fit a width.

use super::Column;

/// A column with the room it gets.
pub(crate) struct Fit<R: 'static> {
    pub(crate) column: &'static Column<R>,
    pub(crate) width: usize,
}

/// Space between two columns.
const GAP: usize = 2;

/// Leaves out the columns that give way first until the rest fits. The last column that is left may be cut.
pub(crate) fn fit<R>(wanted: Vec<Fit<R>>, room: usize) -> Vec<Fit<R>> {
    let mut kept = wanted;
    while kept.len() > 1 && total(&kept) > room {
        let weakest = kept
            .iter()
            .enumerate()
            .min_by_key(|(index, fit)| (fit.column.keep, usize::MAX - index));
        let Some((weakest, last_wish)) = weakest.map(|(index, fit)| (index, fit.width)) else {
            break;
        };
        // A long column is rather cut than lost, if what is left of it can still be read.
        let excess = total(&kept).saturating_sub(room);
        let readable = usize::from(kept[weakest].column.least).max(8);
        if last_wish.saturating_sub(excess) >= readable {
            kept[weakest].width = last_wish - excess;
            break;
        }
        kept.remove(weakest);
    }
    if let [only] = kept.as_mut_slice() {
        only.width = only.width.min(room);
    }
    kept
}

fn total<R>(fits: &[Fit<R>]) -> usize {
    fits.iter().map(|fit| fit.width).sum::<usize>() + GAP * fits.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{DESCRIPTORS, Entry};

    fn names(room: usize) -> Vec<&'static str> {
        let wanted = DESCRIPTORS
            .iter()
            .filter(|column| !column.wide)
            .map(|column| Fit {
                column,
                width: usize::from(column.least),
            })
            .collect();
        fit::<Entry>(wanted, room)
            .iter()
            .map(|fit| fit.column.name)
            .collect()
    }

    #[test]
    fn a_wide_terminal_keeps_every_column() {
        assert_eq!(
            names(200).len(),
            DESCRIPTORS.iter().filter(|column| !column.wide).count()
        );
    }

    #[test]
    fn a_narrow_terminal_keeps_the_identity_and_the_states() {
        assert_eq!(names(40), ["id", "fd", "rd", "wr", "since"]);
    }

    #[test]
    fn something_is_left_however_narrow_it_is() {
        assert_eq!(names(0), ["id"]);
    }
}
