class Shape:
    def __init__(self,text): self.text=text; self.features=None; self.parsed=True
class Shapes:
    def __init__(self): self.m={}
    def of(self,t): return self.m.setdefault(t,Shape(t))
