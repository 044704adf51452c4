//! Holm's correction for several tests at once.

/// The p-values, in the given order, adjusted so that comparing each with α keeps the probability of any false alarm
/// at α. S. Holm, "A simple sequentially rejective multiple test procedure",
/// Scandinavian Journal of Statistics 6 (1979) 65–70.
#[must_use]
pub fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut result = vec![1.0; p.len()];
    let mut highest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        highest = highest.max((super::real(p.len() - rank) * p[i]).min(1.0));
        result[i] = highest;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::adjusted;

    #[test]
    fn each_p_is_multiplied_by_how_many_are_left_and_never_falls() {
        let found = adjusted(&[0.01, 0.04, 0.03, 0.005]);
        let wanted = [0.03, 0.06, 0.06, 0.02];
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
    }

    #[test]
    fn no_p_exceeds_1_and_none_is_fine() {
        assert_eq!(adjusted(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(adjusted(&[]).is_empty());
    }
}
