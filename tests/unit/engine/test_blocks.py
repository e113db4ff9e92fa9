from riskengine.engine.blocks import BLOCK_PATHS, Block, account_block, market_block, plan


def test_plan_covers_every_path_once():
    blocks = plan(2 * BLOCK_PATHS + 7)
    assert [b.first for b in blocks] == [0, BLOCK_PATHS, 2 * BLOCK_PATHS]
    assert sum(b.count for b in blocks) == 2 * BLOCK_PATHS + 7


def test_a_longer_plan_starts_with_the_full_blocks_of_a_shorter_one():
    assert plan(5 * BLOCK_PATHS)[:3] == plan(3 * BLOCK_PATHS)


def test_a_short_plan_is_one_block():
    assert plan(3) == [Block(0, 0, 3)]


def test_a_block_of_the_market_alone_fills_a_megabyte_and_is_never_shorter_than_others():
    assert market_block(31) == 4 * BLOCK_PATHS
    assert market_block(124) == BLOCK_PATHS
    assert market_block(100_000) == BLOCK_PATHS
    assert market_block(1) == 8 * BLOCK_PATHS
    assert [b.count for b in plan(5000, 4096)] == [4096, 904]


def test_a_block_with_very_many_accounts_is_shorter():
    assert account_block(46) == account_block(2048) == BLOCK_PATHS
    assert account_block(10_000) == 128
    assert account_block(4096) == 512
    assert account_block(10**6) == 128
