"""What has digits: numbers, dates, money, measures, codes; all of it ends as words."""
