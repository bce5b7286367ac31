"""``time:``: dates as text. Formats are those of Java's ``SimpleDateFormat``; the time zone is UTC unless one is named.

The clock is the plan's: log time, or event time in playback. A text that does not fit its format gives null.
"""

from __future__ import annotations

from typing import Final

from eiha.plan.signatures import Signature, declare

SCALARS: Final[tuple[Signature, ...]] = (
    declare("time:currentDate", "-> string", "The clock as `yyyy-MM-dd`."),
    declare("time:currentTime", "-> string", "The clock as `HH:mm:ss`."),
    declare("time:currentTimestamp", "zone timezone? -> string", "The clock as `yyyy-MM-dd HH:mm:ss`, in a time zone."),
    declare(
        "time:date",
        "date string, format dateformat? -> string",
        "The date as `yyyy-MM-dd`; `format` is `yyyy-MM-dd HH:mm:ss.SSS` if left out, here and below.",
        ("time:date('2014/11/11 13:23:44', 'yyyy/MM/dd HH:mm:ss')", "2014-11-11"),
        ("time:date('2014-11-23 13:23:44.345')", "2014-11-23"),
        ("time:date('13:23:44', 'HH:mm:ss')", "1970-01-01"),
    ),
    declare(
        "time:dateAdd",
        (
            "date string, amount int, unit unit!, format dateformat? -> string",
            "millis long, amount int, unit unit! -> string",
        ),
        "The date moved on by so many units, in the same format.",
        ("time:dateAdd('2014-11-11 13:23:44.657', 5, 'YEAR', 'yyyy-MM-dd HH:mm:ss.SSS')", "2019-11-11 13:23:44.657"),
        ("time:dateAdd(1415712224000L, 1, 'HOUR')", "1415715824000"),
        ("time:dateAdd('2016-01-31 00:00:00.000', 1, 'MONTH')", "2016-02-29 00:00:00.000"),
    ),
    declare(
        "time:dateDiff",
        (
            "first string, second string, format1 dateformat?, format2 dateformat? -> long",
            "first long, second long -> long",
        ),
        "The days from the second date to the first.",
        (
            "time:dateDiff('2014-11-11 13:23:44', '2014-11-9 13:23:44', 'yyyy-MM-dd HH:mm:ss', 'yyyy-MM-dd HH:mm:ss')",
            "2",
        ),
        ("time:dateDiff(1415692424000L, 1412841224000L)", "33"),
    ),
    declare(
        "time:dateFormat",
        ("date string, to dateformat, from dateformat? -> string", "millis long, to dateformat -> string"),
        "The date in another format.",
        ("time:dateFormat('2014/11/11 13:23:44', 'mm:ss', 'yyyy/MM/dd HH:mm:ss')", "23:44"),
        ("time:dateFormat('2014-11-11 13:23:44.345', 'HH:mm:ss')", "13:23:44"),
        ("time:dateFormat(1353994637000L, 'HH:mm:ss')", "05:37:17"),
    ),
    declare(
        "time:dateSub",
        (
            "date string, amount int, unit unit!, format dateformat? -> string",
            "millis long, amount int, unit unit! -> string",
        ),
        "The date moved back by so many units, in the same format.",
        ("time:dateSub('2019-11-11 13:23:44.657', 5, 'YEAR')", "2014-11-11 13:23:44.657"),
        ("time:dateSub(1415715824000L, 1, 'HOUR')", "1415712224000"),
    ),
    declare(
        "time:dayOfWeek",
        "date string, format dateformat? -> string",
        "Monday to Sunday.",
        ("time:dayOfWeek('2014/12/11 13:23:44', 'yyyy/MM/dd HH:mm:ss')", "Thursday"),
        ("time:dayOfWeek('2014-11-11 13:23:44.345')", "Tuesday"),
    ),
    declare(
        "time:extract",
        (
            "unit unit!, date string, format dateformat?, locale string!? -> int",
            "millis long, unit unit!, locale string!? -> int",
        ),
        "A part of the date. A WEEK begins on Sunday and the first one holds January 1; `locale` changes nothing.",
        ("time:extract('YEAR', '2019/11/11 13:23:44.657', 'yyyy/MM/dd HH:mm:ss.SSS')", "2019"),
        ("time:extract('DAY', '2019-11-12 13:23:44.657')", "12"),
        ("time:extract(1394556804000L, 'HOUR')", "16"),
    ),
    declare(
        "time:timestampInMilliseconds",
        ("-> long", "date string, format dateformat? -> long"),
        "The clock, or the date, in ms since 1970.",
        ("time:timestampInMilliseconds('2007-11-30 10:30:19.000')", "1196418619000"),
    ),
    declare(
        "time:timezoneConvert",
        "date string, format dateformat, to timezone, from timezone? -> string",
        "The date of one time zone in another, in the same format.",
        ("time:timezoneConvert('2014/11/11 13:23:44', 'yyyy/MM/dd HH:mm:ss', 'UTC', 'IST')", "2014/11/11 07:53:44"),
    ),
    declare("time:utcTimestamp", "format dateformat? -> string", "The clock, as `yyyy-MM-dd HH:mm:ss` if left out."),
)
