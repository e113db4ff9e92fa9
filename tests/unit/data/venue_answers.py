"""Synthetic answers of venues, of the shapes that their documentation describes; no figure was observed."""

from datetime import UTC, datetime

NOW = int(datetime(2026, 3, 1, 12, tzinfo=UTC).timestamp())
EXPIRY = int(datetime(2026, 3, 27, 8, tzinfo=UTC).timestamp())

DERIBIT = {
    "positions": {
        "jsonrpc": "2.0",
        "result": [
            {"instrument_name": "BTC-PERPETUAL", "kind": "future", "size": -40000.0, "direction": "sell",
             "average_price": 50000.0, "mark_price": 48010.0, "index_price": 48000.0},
            {"instrument_name": "BTC-27MAR26-52000-C", "kind": "option", "size": -2.5, "direction": "sell",
             "average_price": 0.03, "mark_price": 0.0312, "index_price": 48000.0},
            {"instrument_name": "BTC-27MAR26-44000-P", "kind": "option", "size": 1.0, "direction": "buy",
             "average_price": 0.02, "mark_price": 0.0205, "index_price": 48000.0},
            {"instrument_name": "ETH_USDC-PERPETUAL", "kind": "future", "size": 12.5, "direction": "buy",
             "average_price": 2400.0, "mark_price": 2501.0, "index_price": 2500.0},
        ],
        "usIn": (NOW - 1) * 1_000_000, "usOut": NOW * 1_000_000,
    },
    "account": [
        {"result": {"currency": "BTC", "balance": 1.9, "equity": 1.85}},
        {"result": {"currency": "USDC", "balance": 5000.0, "equity": 6262.5}},
    ],
    "chain": {"result": [
        {"instrument_name": "BTC-27MAR26-52000-C", "mark_iv": 61.5, "underlying_price": 48200.0, "mark_price": 0.0312,
         "estimated_delivery_price": 48000.0, "creation_timestamp": NOW * 1000},
    ]},
}  # fmt: skip

DERIVE = [
    {"result": {
        "subaccount_id": 7, "currency": "ETH", "margin_type": "PM2", "subaccount_value": "40000.5",
        "collaterals": [
            {"asset_name": "USDC", "asset_type": "erc20", "amount": "18000", "mark_price": "1"},
            {"asset_name": "ETH", "asset_type": "erc20", "amount": "8", "mark_price": "2500"},
        ],
        "positions": [
            {"instrument_name": "ETH-PERP", "instrument_type": "perp", "amount": "-6", "average_price": "2550",
             "mark_price": "2502", "index_price": "2500"},
            {"instrument_name": "ETH-20260327-2800-C", "instrument_type": "option", "amount": "-10",
             "average_price": "90", "mark_price": "101.5", "index_price": "2500"},
        ],
    }},
    {"result": {"instrument_name": "ETH-20260327-2800-C", "timestamp": NOW * 1000, "mark_price": "101.5",
                "index_price": "2500", "option_pricing": {"iv": "0.74", "forward_price": "2512", "delta": "0.3"}}},
]  # fmt: skip

OKX = {
    "positions": {"code": "0", "data": [
        {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "mgnMode": "cross", "posSide": "long", "pos": "150",
         "avgPx": "47000", "markPx": "48010", "idxPx": "48000", "ccy": "USDT", "uTime": str(NOW * 1000)},
        {"instId": "BTC-USDT-SWAP", "instType": "SWAP", "mgnMode": "cross", "posSide": "short", "pos": "50",
         "avgPx": "49000", "markPx": "48010", "idxPx": "48000", "ccy": "USDT", "uTime": str(NOW * 1000)},
        {"instId": "ETH-USD-SWAP", "instType": "SWAP", "mgnMode": "cross", "posSide": "net", "pos": "-300",
         "avgPx": "2600", "markPx": "2501", "idxPx": "2500", "ccy": "ETH", "uTime": str(NOW * 1000)},
        {"instId": "BTC-USD-260327-52000-C", "instType": "OPTION", "posSide": "net", "pos": "-100",
         "avgPx": "0.03", "markPx": "0.0312", "idxPx": "48000", "ccy": "BTC", "uTime": str(NOW * 1000)},
    ]},
    "account": {"code": "0", "data": [{"totalEq": "60000", "details": [
        {"ccy": "BTC", "eq": "0.75", "cashBal": "0.78"}, {"ccy": "ETH", "eq": "2", "cashBal": "2"},
        {"ccy": "USDT", "eq": "9000", "cashBal": "8000"},
    ]}]},
    "chain": {"code": "0", "data": [
        {"instId": "BTC-USD-260327-52000-C", "markVol": "0.615", "fwdPx": "48200", "ts": str(NOW * 1000)},
    ]},
}  # fmt: skip

BINANCE = {
    "positions": [
        {"symbol": "BTCUSDT", "positionSide": "BOTH", "positionAmt": "-1.25", "entryPrice": "50000",
         "markPrice": "48010", "updateTime": NOW * 1000},
        {"symbol": "SOLUSDT", "positionSide": "BOTH", "positionAmt": "0", "entryPrice": "0", "markPrice": "0"},
        {"symbol": "ETHUSD_PERP", "positionSide": "BOTH", "positionAmt": "200", "entryPrice": "2400",
         "markPrice": "2501", "updateTime": NOW * 1000},
    ],
    "options": [
        {"symbol": "BTC-260327-52000-C", "side": "SHORT", "quantity": "-0.5", "entryPrice": "1400",
         "markPrice": "1490", "optionSide": "CALL", "strikePrice": "52000", "expiryDate": EXPIRY * 1000,
         "quoteAsset": "USDT", "time": NOW * 1000},
    ],
    "chain": [{"symbol": "BTC-260327-52000-C", "markPrice": "1490", "markIV": "0.62"}],
    "index": [{"symbol": "BTCUSDT", "markPrice": "48010", "indexPrice": "48000", "time": NOW * 1000}],
    "account": {"assets": [{"asset": "USDT", "walletBalance": "20000"}, {"asset": "ETH", "walletBalance": "1.5"},
                           {"asset": "BNB", "walletBalance": "0"}]},
}  # fmt: skip

CCXT = {
    "positions": [
        {"symbol": "BTC/USDT:USDT", "contracts": 125.0, "contractSize": 0.01, "side": "short", "entryPrice": 50000.0,
         "markPrice": 48010.0, "timestamp": NOW * 1000, "info": {"instId": "BTC-USDT-SWAP", "pos": "-125"}},
        {"symbol": "ETH/USD:ETH", "contracts": 30.0, "contractSize": 10.0, "side": "long", "entryPrice": 2400.0,
         "markPrice": 2501.0, "timestamp": NOW * 1000, "info": {}},
        {"symbol": "BTC/USD:BTC-260327-52000-C", "contracts": 50.0, "contractSize": 0.01, "side": "short",
         "entryPrice": 0.03, "markPrice": 0.0312, "timestamp": NOW * 1000, "info": {}},
    ],
    "balance": {"free": {"USDT": 100.0}, "used": {"USDT": 100.0}, "total": {"USDT": 20000.0, "BTC": 0.4, "ETH": 0.5}},
    "chain": {"BTC/USD:BTC-260327-52000-C": {"symbol": "BTC/USD:BTC-260327-52000-C", "impliedVolatility": 0.615,
                                             "underlyingPrice": 48200.0, "timestamp": NOW * 1000}},
}  # fmt: skip

ANSWERS = {"deribit": DERIBIT, "derive": DERIVE, "okx": OKX, "binance": BINANCE, "ccxt": CCXT}
