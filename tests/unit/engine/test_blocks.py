from riskengine.engine.blocks import BLOCK_PATHS, Block, plan


def test_plan_covers_every_path_once():
    blocks = plan(2 * BLOCK_PATHS + 7)
    assert [b.first for b in blocks] == [0, BLOCK_PATHS, 2 * BLOCK_PATHS]
    assert sum(b.count for b in blocks) == 2 * BLOCK_PATHS + 7


def test_a_longer_plan_starts_with_the_full_blocks_of_a_shorter_one():
    assert plan(5 * BLOCK_PATHS)[:3] == plan(3 * BLOCK_PATHS)


def test_a_short_plan_is_one_block():
    assert plan(3) == [Block(0, 0, 3)]
