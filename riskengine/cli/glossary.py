"""What the words mean: one line each.  The table of ``docs/notation.md`` is this one."""

TERMS = {
    "account": "One margined book of positions and cash; what a requirement is asked of. Positions margined apart are "
    "accounts.",
    "auto-deleveraging": "Closing positions of winners against a bankrupt account, highest rank first, where the "
    "insurance fund is exhausted.",
    "backtest": "Forecasts or margins held against what happened, with a test of whether breaches came as often as "
    "promised.",
    "bad debt": "Debt left when all collateral of a borrower has been seized; what a protocol books of it is its "
    "deficit.",
    "basis": "Price of a future or perpetual less spot.",
    "block": "A fixed number of paths, drawn, run, stored and merged together; the unit of work and of resumption.",
    "book": "Accounts with their positions (margin) or borrowers with collateral and debt (lending).",
    "borrow capacity": "What a book may borrow at the loan-to-value limits: collateral times LTV. Parameter sets are "
    "compared where it is the same.",
    "breach": "A loss strictly greater than the requirement it is held against.",
    "calibration error": "How wrong a tail estimate is: estimate less the true quantile of the world, known exactly.",
    "capital": "Mean initial requirement of a whole book: what coverage costs.",
    "certificate": "A choice with P(true risk > target) <= delta, whatever the world did in the sample that chose it.",
    "close factor": "Largest share of a borrower's debt that one liquidation may repay.",
    "collateral factor": "Share of collateral value up to which one may borrow (loan-to-value limit).",
    "common random numbers": "The same draws in every variant compared, so that differences carry little noise.",
    "compensator": "Drift that takes back the mean of the jumps, so that the expected price does not move with their "
    "parameters.",
    "confidence": "Nominal coverage of an interval (0.95). Never the level of a requirement.",
    "control variate": "A figure of a path whose expectation is known exactly; what it missed by corrects the others.",
    "corp": "Reliability by isotonic regression: miscalibration, discrimination and uncertainty of a forecast add up "
    "to its score.",
    "coverage": "Of a requirement: the share of windows without a breach. Of an interval: how often it holds the "
    "truth.",
    "deficit": "Bad debt as a lending protocol books it.",
    "depeg": "A fall of a pegged asset away from its peg, which may recover.",
    "draw group": "What shares random numbers: worlds and candidate parameters of one study, by default.",
    "dutch auction": "Sale of an under-margined account at a price that falls until a bidder takes a share of it.",
    "e-process": "Evidence against a forecast that may be looked at at any time: it passes 1 / a with probability a "
    "at most if the forecast is right.",
    "edge": "Value of what is bought less its price, expected under the true law.",
    "effective sample size": "Hits in the tail behind a figure, or the weighted size of a weighted sample.",
    "equity": "Cash, plus coins at spot, plus profit of perpetuals and futures, plus value of options.",
    "estimate": "A figure with standard error, interval, sample size and method.",
    "estimator": "A rule that reads past losses and returns value at risk and expected shortfall, each with an "
    "interval.",
    "exception": "A breach in a backtest: an account and margin period whose loss was above its initial margin.",
    "expected shortfall": "Mean of the worst losses of probability 1 - level.",
    "feller condition": "2 kappa theta >= xi^2: variance never reaches zero. It may fail; scheme and exact law allow "
    "for it.",
    "fund need": "The most that an insurance fund that never empties is below its start on a path; a fund is "
    "exhausted where the need exceeds it.",
    "funding multiple": "Equity of an account at the start over its initial requirement.",
    "grid model": "A margin model that revalues under fixed moves. It has no level; its coverage is an output.",
    "health factor": "Collateral times liquidation threshold over debt; below 1 a borrower may be liquidated.",
    "hedge": "Trades that change what an account may lose; `riskengine hedge` finds those of least margin.",
    "identified": "Said of a parameter that the data decide; one that they do not moves along a valley with others at "
    "nearly equal fit.",
    "impermanent loss": "What a pool token is worth over what its coins at deposit would be, minus 1, without fees.",
    "importance sampling": "Drawing paths from a mixture tilted towards rare events, each weighted by its exact "
    "likelihood ratio.",
    "initial margin": "Requirement to open and hold; covers the loss over the margin period at the level.",
    "initial-margin breach": "Loss at the end of the margin period, positions left alone, above the initial margin at "
    "its start.",
    "insolvency": "Worst loss within the margin period above all resources of the account.",
    "insurance fund": "What pays losses beyond an account's resources, before they are shared by others.",
    "inverse": "Settled in coin; a contract is a dollar, so N of them are N / mark coins.",
    "keeper": "Who calls liquidations, after a delay, constant or drawn, and only at a profit.",
    "level": "Confidence level of a quantile, 0.99; the tail probability is 1 - level.",
    "liquidation": "Closing positions, or seizing collateral, because a requirement is not met.",
    "liquidation bonus": "What a liquidator gets on top of the debt repaid, as a share of it.",
    "liquidation latency": "Time from a maintenance breach to closed positions; the window of maintenance-margin "
    "coverage.",
    "liquidation threshold": "Share of collateral value that may be owed before liquidation.",
    "maintenance margin": "Requirement below which positions are closed.",
    "maintenance-margin breach": "Worst loss within the liquidation latency above the maintenance margin at its start.",
    "maker": "Who quotes options around their marks, further away the more vega and delta it holds.",
    "margin call": "An account found below its maintenance requirement.",
    "margin period": "Margin period of risk: the time over which initial margin must cover losses.",
    "mark": "Price or volatility at which a venue values positions; what an attacker moves.",
    "measure": "A law of paths: P is the real-world law, Q the law that prices options; also a figure of a result.",
    "model confidence set": "Estimators that cannot be told from the best at a confidence.",
    "moneyness": "Strike over spot; log-moneyness is k = ln(K / F).",
    "multiplier": "Factor on a whole requirement; how models without a level are swept.",
    "numeraire": "The currency that figures are counted in: USD, or the coin that inverse options settle in.",
    "open notional": "Notional of accounts that at the end of a path are below their requirement, in an auction, or "
    "taken over and not sold.",
    "oracle": "The price that a protocol sees: published by heartbeat and deviation, averaged, delayed or silent.",
    "origin": "Start of a window in which coverage is measured; origins lie a margin period apart, so windows do not "
    "overlap.",
    "overlay": "A stress set on top of a world's paths: prices, variance, correlation, depth, basis, oracle together.",
    "path": "One simulated history of the market; the unit of every interval.",
    "pathwise derivative": "How a figure moves with a parameter, from the same simulated paths a small step of it "
    "either side; the score of the number of jumps where a path cannot show it.",
    "payload": "Parameters to set, each with the value that must be found there before: what executes one step of a "
    "recommendation.",
    "pilot": "Paths of their own on which the tilts of importance sampling, or the shares of strata, are chosen.",
    "pinball": "Score whose expectation is least at the true quantile; its regret is what a wrong quantile costs over "
    "the true one.",
    "pool token": "A share of a pool of two coins; over all prices its liquidity is the root of their product.",
    "power": "Probability that a test finds a fault of a stated size. Without it a test that is passed says little.",
    "replay": "A dated book put into the real prices of an event: one history, without a sampling error.",
    "requirement": "Resources needed above liquidation value, positive, USD.",
    "resources": "All that an account can lose: its equity at the start of the window.",
    "scenario": "A joint move of prices and volatilities under which a model revalues a book; also a world file.",
    "scheme": "How a world is stepped through time; its bias against the exact law is reported.",
    "shortfall": "Loss beyond a requirement, or beyond resources.",
    "size": "Probability that a test rejects a right forecast; its true size may differ from the nominal one.",
    "socialised loss": "Loss beyond resources and insurance fund, borne by other accounts.",
    "soft liquidation": "Collateral sold by the market maker of crvUSD as the price falls through a loan's bands, and "
    "bought back as it rises.",
    "spread": "Ask less bid, or what a quote adds to the price it is made from.",
    "stamp": "What a world's numbers rest on. FIT: its tail losses lie in the data's block-bootstrap bands at every "
    "horizon; UNFIT: at some they do not; NOT FITTED: no comparison was made; DATA: paths are the data.",
    "stratified sampling": "Giving paths how many jumps they have, each count weighted by its exact probability.",
    "study": "A question: which world, models, levels, limits and seed. A file in configs/studies/.",
    "suppliers' loss": "Bad debt of a lending market that the fees it earned on the same path do not cover.",
    "surface": "Implied volatility by moneyness and tenor, tied to the world's variance state.",
    "tail probability": "1 - level.",
    "tilt": "A law under which a rare event is common: shifted normals, other jump rates and sizes.",
    "tracking error": "Standard deviation of what a hedge leaves; of an estimator, of how far it strays from a truth "
    "that moves.",
    "truth": "A figure that is known exactly because the generator is ours: by two routes that agree, or refused.",
    "utilisation": "Share of a lending pool that is lent out; its rates are a curve of it, steeper past the kink.",
    "value at risk": "Quantile of the loss at a level over a horizon.",
    "vault": "A pool of capital that sells options at its own quote.",
    "verdict": "PASS, FAIL, or INCONCLUSIVE (the interval straddles the limit); only against a declared criterion.",
    "window": "One margin period of history or of real prices.",
    "world": "A scenario model with parameters, a surface, and the source of each number. A file in scenarios/.",
    "worst account": "The account that a margin model covers worst among those that instruments make up; a search "
    "finds one, not the last.",
    "wrapped token": "Collateral that is coins and dollars by a rule: a staked, pool or principal token.",
}

# abbreviations and other spellings
ALIASES = {
    "data": "stamp",
    "feller": "feller condition",
    "fit": "stamp",
    "llamma": "soft liquidation",
    "mcs": "model confidence set",
    "not fitted": "stamp",
    "unfit": "stamp",
    "valley": "identified",
    "adl": "auto-deleveraging",
    "crn": "common random numbers",
    "es": "expected shortfall",
    "hf": "health factor",
    "im": "initial margin",
    "lt": "liquidation threshold",
    "margin period of risk": "margin period",
    "mm": "maintenance margin",
    "mpor": "margin period",
    "tail_prob": "tail probability",
    "var": "value at risk",
}
